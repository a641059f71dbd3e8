// Whether a process lives, and whose child it is, from /proc/PID/stat (proc_pid_stat(5)).

import { readFileSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';

export interface Life {
  /** 0 for one that came into our pid namespace from outside, as `docker exec` does. */
  readonly parent: number;
  /** Ended, and waiting for its parent only. */
  readonly isZombie: boolean;
}

/** Undefined for one that is gone. */
export function readLife(pid: number): Life | undefined {
  try {
    // The name, in brackets, may hold anything; state and parent follow the last one.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(parent), isZombie: 'ZX'.includes(state) };
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}
