// The interactive shells of the container: at a terminal of their own, and leading their process group there, as a shell with
// job control does, and the first process of `docker exec -it`. Whoever started them, and whosever they are.
// When a session's leader ends, however it ends, the kernel takes the terminal from all that it leaves behind (credentials(7),
// setsid(2)): what runs on in the background counts no more.

import { readFileSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { otherProcesses } from './holders.ts';
import type { Operator } from './operator.ts';
import { readLife } from './process-life.ts';

/** What the kernel keeps of a program's name (proc_pid_comm(5)). */
const LONGEST_NAME = 15;

/** Finds shells by the names that /etc/shells has (shells(5)), the operator's own, and `sh`. */
export class Shells {
  readonly #names: ReadonlySet<string>;

  constructor({ shell }: Operator) {
    const paths = [...readShells(), shell, 'sh'];
    this.#names = new Set(paths.map((path) => path.slice(path.lastIndexOf('/') + 1).slice(0, LONGEST_NAME)));
  }

  /** Those that live now, each with the device number of its terminal. */
  find(): ReadonlyMap<number, number> {
    const found = new Map<number, number>();
    for (const pid of otherProcesses()) {
      const terminal = this.terminalOf(pid);
      if (terminal !== undefined) found.set(pid, terminal);
    }
    return found;
  }

  /** The terminal of a process that is an interactive shell. */
  terminalOf(pid: number): number | undefined {
    const life = readLife(pid);
    if (life === undefined || life.isZombie || life.terminal === 0 || life.group !== pid) return undefined;
    return this.#names.has(life.name) ? life.terminal : undefined;
  }
}

function readShells(): string[] {
  try {
    return readFileSync('/etc/shells', 'latin1')
      .split('\n')
      .filter((line) => line.startsWith('/'));
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return [];
  }
}
