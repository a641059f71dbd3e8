// The worker that the launcher has started beside us (launcher/launcher.c), so that its Node is up when ours is. It belongs to whoever we
// are, and has seen nothing yet: with our word it becomes the operator, and gets the passphrase to unlock with.

import { closeSync } from 'node:fs';
import { constants } from 'node:os';

import { errnoName } from '../lib/errors.ts';
import type { Exit, Reaper } from './reaper.ts';
import { passDescriptor } from './unix-socket.ts';

/** How the launcher tells us of it: `PID,DESCRIPTOR`. */
const VARIABLE = 'TAZPOD_STANDBY';

export interface Started {
  readonly pid: number;
  /** Our end of its connection. */
  readonly connection: number;
}

/** What the launcher has started, taken out of the environment: it is not for the command. */
export function takeStandby(): Started | undefined {
  const [, pid, connection] = /^([0-9]{1,9}),([0-9]{1,9})$/.exec(process.env[VARIABLE] ?? '') ?? [];
  delete process.env[VARIABLE];
  return pid === undefined ? undefined : { pid: Number(pid), connection: Number(connection) };
}

export class Standby implements Started {
  readonly pid: number;
  /** It speaks the control protocol once it has been called up. */
  readonly connection: number;
  readonly ended: Promise<Exit>;
  #isWaiting = true;

  constructor({ pid, connection }: Started, reaper: Reaper) {
    this.pid = pid;
    this.connection = connection;
    this.ended = reaper.exitOf(pid);
  }

  /**
   * Has it unlock. The control socket must be there: whose that is, the worker takes for the operator.
   * @param passphrase a descriptor, which stays the caller's to close
   * @returns false where it is gone, or was called up before
   */
  callUp(passphrase: number): boolean {
    if (!this.#isWaiting) return false;
    try {
      passDescriptor(this.connection, passphrase);
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
      this.dismiss();
      return false;
    }
    this.#isWaiting = false;
    return true;
  }

  /** Ends it, unless it has been called up: it has begun nothing. */
  dismiss(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    closeSync(this.connection);
    try {
      process.kill(this.pid, constants.signals.SIGKILL);
    } catch (error) {
      if (errnoName(error) !== 'ESRCH') throw error;
    }
  }
}
