// Saving by itself what changes while the vault is unlocked. Nothing runs, and no timer is set, while nothing changes.
// The first change wakes us; we look again until it has become quiet, or has gone on for long enough, and have a worker
// save. A save that fails is told once, and tried again at the next change: whatever happens here, the lock saves, too.

import { errnoName, reasonOf } from '../lib/errors.ts';
import type { AutosaveState } from '../lib/protocol.ts';
import type { Enclave } from './enclave.ts';
import type { Follower, Keeper } from './keeper.ts';
import type { Log } from './log.ts';
import { exitStatusOf } from './reaper.ts';
import { QUIET, SavePace } from './save-pace.ts';
import { CannotRun } from './spawn.ts';
import { Watch } from './watch.ts';
import type { Workers } from './worker.ts';

/** The status of a save that left something out, and saved the rest. */
const LEFT_OUT = 13;

export class Autosave implements Follower {
  readonly #keeper: Keeper;
  readonly #workers: Workers;
  readonly #ready: Promise<void>;
  readonly #log: Log;
  readonly #pace = new SavePace();
  #watch: Watch | undefined;
  /** How the last save ended. */
  #status = 0;
  #isSaving = false;
  /** Something of the enclave cannot be watched. */
  #isPartial = false;
  #isOver = false;

  /** @param ready resolves when there is time: the boot does not wait for us */
  constructor(keeper: Keeper, workers: Workers, ready: Promise<void>, log: Log) {
    this.#keeper = keeper;
    this.#workers = workers;
    this.#ready = ready;
    this.#log = log;
  }

  get state(): AutosaveState {
    if (this.#isOver) return 'off';
    if (this.#watch === undefined) return this.#isPartial ? 'partial' : 'idle';
    if (this.#status !== 0 && this.#status !== LEFT_OUT) return 'failing';
    if (this.#isSaving || this.#pace.isDue) return 'pending';
    return this.#isPartial ? 'partial' : 'idle';
  }

  /** No save begins any more. */
  end(): void {
    this.#isOver = true;
    this.locks();
  }

  unlocked({ root }: Enclave): void {
    if (this.#isOver) return;
    try {
      this.#watch = new Watch(root);
      void this.#attend(this.#watch);
    } catch (error) {
      this.#cannotWatch('cannot watch the enclave', error);
    }
  }

  saved(bytes: number): void {
    this.#pace.wrote(bytes);
  }

  locks(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#isPartial = false;
  }

  /** From the unlock to the lock. */
  async #attend(watch: Watch): Promise<void> {
    await this.#ready;
    this.#note(await this.#cover(watch));
    while (!watch.isClosed) {
      const wait = this.#pace.wait(performance.now());
      if (wait === undefined) await watch.event();
      else if (wait > 0) await watch.pause(wait);
      else if (this.#isSomebodySaving()) await watch.pause(QUIET.most);
      else {
        await this.#save(watch);
        continue;
      }
      const { contents, attributes } = watch.take();
      this.#note(contents || attributes);
      await this.#cover(watch);
    }
  }

  #note(isChanged: boolean): void {
    if (isChanged) this.#pace.changed(performance.now());
  }

  #isSomebodySaving(): boolean {
    return this.#keeper.isBusy || this.#workers.running.length > 0;
  }

  async #save(watch: Watch): Promise<void> {
    this.#pace.saveBegins(performance.now());
    this.#isSaving = true;
    const status = await this.#runWorker();
    this.#isSaving = false;
    this.#pace.saveEnds(performance.now());
    // Who has locked meanwhile, or ends the container, saves again or says what is lost.
    if (watch.isClosed) return;
    this.#tell(status);
    // Modes and owners are what the save itself changes: it lends itself permission, and PID 1 gives it what root made.
    this.#note(watch.take().contents);
    await this.#cover(watch);
  }

  async #runWorker(): Promise<number> {
    try {
      // What keeps failing is not told again and again.
      return exitStatusOf(await this.#workers.start('save', { silent: this.#status !== 0 }).ended);
    } catch (error) {
      if (!(error instanceof CannotRun)) throw error;
      if (this.#status !== error.status) this.#log.error(error.message);
      return error.status;
    }
  }

  #tell(status: number): void {
    this.#log.debug(`an autosave has ended with status ${status}`);
    const before = this.#status;
    this.#status = status;
    if (status === before) return;
    const where = before === 0 ? 'see above' : '`tazpod save` tells';
    if (status === 0) this.#log.info('changes are saved again');
    else if (status === LEFT_OUT) this.#log.warn(`changes are saved, but for something that is left out (${where})`);
    else {
      const hint = 'tried again at the next change, and at the lock';
      this.#log.error(`cannot save what has changed (status ${status}, ${where})`, hint);
    }
  }

  async #cover(watch: Watch): Promise<boolean> {
    try {
      const isChanged = await watch.cover();
      if (!watch.isWhole) this.#cannotWatch('cannot watch all of the enclave', 'too many directories');
      return isChanged;
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
      this.#cannotWatch('cannot watch the enclave', error);
      return false;
    }
  }

  #cannotWatch(what: string, why: unknown): void {
    this.#isPartial = true;
    const consequence = 'what is not seen to change is saved at the lock, and by `tazpod save`';
    this.#log.warnOnce(`${what}: ${typeof why === 'string' ? why : reasonOf(why)}; ${consequence}`);
  }
}
