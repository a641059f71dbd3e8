// Whether a process lives, whose child it is, at which terminal, and what it is called, from /proc/PID/stat (proc_pid_stat(5)).

import { readFileSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { printable } from './printable.ts';

export interface Life {
  /** The name of its program's file, at most 15 bytes; a process may give itself another. */
  readonly name: string;
  /** 0 for one that came into our pid namespace from outside, as `docker exec` does. */
  readonly parent: number;
  /** Its process group. */
  readonly group: number;
  /** The device number of its controlling terminal; 0: it has none. */
  readonly terminal: number;
  /** Ended, and waiting for its parent only. */
  readonly isZombie: boolean;
}

/** Undefined for one that is gone. */
export function readLife(pid: number): Life | undefined {
  try {
    // The name, in brackets, may hold anything; the other fields follow the last one.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const end = stat.lastIndexOf(')');
    const [state = '', parent, group, , terminal] = stat.slice(end + 2).split(' ');
    return {
      name: stat.slice(stat.indexOf('(') + 1, end),
      parent: Number(parent),
      group: Number(group),
      terminal: Number(terminal),
      isZombie: 'ZX'.includes(state),
    };
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}

/** For the log: `process 123 (make)`. The name of its program, without arguments, which may be anybody's secrets. */
export function describeProcess(pid: number): string {
  const name = readLife(pid)?.name;
  return name === undefined
    ? `process ${pid}`
    : `process ${pid} (${printable(Buffer.from(name, 'latin1').toString())})`;
}
