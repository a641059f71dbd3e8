// Reaping: every child that ends is waited for at once, orphans that the kernel gave us among them (wait(2)).
// PID 1 starts all its children itself (spawn.ts), so that there is nobody whose exit status this could steal.

import { constants } from 'node:os';

import { SystemCallError } from '../lib/errors.ts';
import { lastErrno, libc } from './native.ts';

const WNOHANG = 1;

/** How a process ended: a status of its own, or the signal that ended it. */
export type Exit = { readonly status: number } | { readonly signal: number };

/** The status that a shell, tini and docker report: 128+n for signal n. */
export function exitStatusOf(exit: Exit): number {
  return 'status' in exit ? exit.status : 128 + exit.signal;
}

/** Waits for children. Those that somebody asked for are reported, the others only reaped. */
export class Reaper {
  readonly #awaited = new Map<number, (exit: Exit) => void>();
  readonly #status = Buffer.alloc(4);
  /** Orphans that were not ours, by pid: for `-w`. */
  readonly #onOrphan: (pid: number) => void;

  constructor(onOrphan: (pid: number) => void) {
    this.#onOrphan = onOrphan;
  }

  /** The end of a child, which must have been started in this same turn of the event loop. */
  exitOf(pid: number): Promise<Exit> {
    return new Promise((resolve) => this.#awaited.set(pid, resolve));
  }

  /** Reaps all that have ended. To be called on SIGCHLD, which the kernel merges. */
  reap(): void {
    for (;;) {
      const pid = libc.waitpid(-1, this.#status, WNOHANG);
      if (pid === 0) return;
      if (pid === -1) {
        const errno = lastErrno();
        if (errno === constants.errno.ECHILD) return;
        if (errno === constants.errno.EINTR) continue;
        throw new SystemCallError('waitpid', errno);
      }
      const awaited = this.#awaited.get(pid);
      if (awaited === undefined) {
        this.#onOrphan(pid);
        continue;
      }
      this.#awaited.delete(pid);
      awaited(decodeWaitStatus(this.#status.readInt32LE()));
    }
  }
}

/** The wait status of wait(2): the low seven bits are the signal, the next byte up the exit status. */
export function decodeWaitStatus(word: number): Exit {
  const signal = word & 0x7f;
  return signal === 0 ? { status: (word >> 8) & 0xff } : { signal };
}
