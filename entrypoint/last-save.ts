// The last save, when the command is gone: into the vault, or where that cannot be done in the time that is left, an encrypted
// copy elsewhere. With the event loop, or without it when PID 1 itself has failed. It never locks: that follows, whatever
// becomes of this. Nobody else is served from here on, so that no saver has leave to touch the vault once it is wiped.

import { reasonOf } from '../lib/errors.ts';
import type { Replies } from '../lib/protocol.ts';
import type { ControlServer } from './control-server.ts';
import { rescueNow, saveNow } from './emergency.ts';
import type { Keeper } from './keeper.ts';
import type { Log } from './log.ts';
import { printable } from './printable.ts';
import { exitStatusOf } from './reaper.ts';
import { adviceOn, rescueDirectories } from './rescue.ts';
import { CannotRun } from './spawn.ts';
import type { Stop } from './stop.ts';
import { killWorker, type SpawnWorker, type Worker, type WorkerInput, type Workers } from './worker.ts';

export const LOST = 'changes since the last save are lost';

/** Without the event loop, and where nobody asked for a stop: what each may take. */
const PATIENCE = { save: 4000, rescue: 2000 }; // ms

export interface LastSaveParts {
  readonly keeper: Keeper;
  readonly server: ControlServer;
  readonly workers: Workers;
  readonly stop: Stop;
  readonly spawn: SpawnWorker;
}

export class LastSave {
  readonly #parts: LastSaveParts;
  readonly #rescueDirectory: string | undefined;
  readonly #log: Log;

  /** @param rescueDirectory where a copy goes first */
  constructor(parts: LastSaveParts, rescueDirectory: string | undefined, log: Log) {
    this.#parts = parts;
    this.#rescueDirectory = rescueDirectory;
    this.#log = log;
  }

  /** Saves, within the deadline of a stop if there is one. What became of it is in the log. */
  async save(): Promise<void> {
    const { keeper, server, stop } = this.#parts;
    if (keeper.state !== 'unlocked') return;
    // A client that has begun a save, and does not end, is not waited for.
    server.hangUp();
    this.#log.info('saving the vault');
    const saver = this.#start('save the vault', { progress: true });
    if (saver !== undefined) {
      const exit = await Promise.race([saver.ended, stop.saveEnds]);
      if (exit === undefined) killWorker(saver);
      if (this.#isSaved(exit === undefined ? undefined : exitStatusOf(exit))) return;
    }
    // The saver may be one that cannot end, and would keep the turn.
    server.hangUp();
    const copied = keeper.nextRescue();
    const rescuer = this.#start('write a copy', { rescue: rescueDirectories(this.#rescueDirectory) });
    const path = rescuer && (await Promise.race([copied, rescuer.ended.then(() => undefined), stop.deadline]));
    if (rescuer !== undefined) killWorker(rescuer);
    this.#reportRescue(path ?? undefined);
  }

  /** Undefined where no worker can be started: then that is said. */
  #start(what: string, input: WorkerInput): Worker | undefined {
    try {
      return this.#parts.workers.start('save', input);
    } catch (error) {
      if (!(error instanceof CannotRun)) throw error;
      this.#log.error(`cannot ${what}: ${error.message}`);
      return undefined;
    }
  }

  /**
   * The same, synchronously.
   * @throws SystemCallError, CannotRun
   */
  saveNow(): void {
    const { keeper, server, workers, stop, spawn } = this.#parts;
    // Who saves meanwhile would keep the last save from the vault's directory.
    server.hangUp();
    for (const worker of workers.running) killWorker(worker);
    const grant = keeper.prepareSave();
    if (grant === undefined || this.#isSaved(this.#trySaveNow(grant))) return;
    const patience = Math.min(PATIENCE.rescue, stop.remaining);
    this.#reportRescue(rescueNow(spawn, grant, patience, rescueDirectories(this.#rescueDirectory)));
  }

  #trySaveNow(grant: Replies['save']): number | undefined {
    const { stop, spawn } = this.#parts;
    try {
      return saveNow(spawn, grant, Math.min(PATIENCE.save, stop.remainingForSave));
    } catch (error) {
      this.#log.error(`cannot save the vault: ${reasonOf(error)}`);
      return undefined;
    }
  }

  /** Whether what there was to save is in a file now, by the saver's status; undefined: it did not end in time. */
  #isSaved(status: number | undefined): boolean {
    switch (status) {
      case 0:
        return true;
      case 13:
        this.#log.error('the last save left something out: it is named above');
        return true;
      case 14:
        this.#log.error('the last save did not replace the vault, which something else has changed: see above');
        return true;
      case undefined:
        this.#log.error('cannot finish the last save in the time that is left');
        return false;
      default:
        this.#log.error(`cannot save the vault (status ${status}, the reason is above)`);
        return false;
    }
  }

  #reportRescue(path: string | undefined): void {
    if (path === undefined) {
      this.#log.error(
        `cannot write an encrypted copy elsewhere either: ${LOST}`,
        'TAZPOD_RESCUE_DIR names a directory for it: on a volume of its own, where the operator may write',
      );
    } else {
      this.#log.error(`what was not saved is in an encrypted copy: ${printable(path)}`, adviceOn(path));
    }
  }
}
