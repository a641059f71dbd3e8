// Locking when the last interactive shell has ended (TAZPOD_AUTOLOCK=last-shell), as `tazpod lock` does, which a worker runs: what
// changed is saved, and a save that fails keeps the vault unlocked. A vault that was unlocked while there was no shell waits for
// one to come first. Nothing runs, and no timer is set, while no shell comes or goes.

import { errnoName, reasonOf } from '../lib/errors.ts';
import type { Follower } from './keeper.ts';
import type { Log } from './log.ts';
import type { Operator } from './operator.ts';
import { exitStatusOf } from './reaper.ts';
import { ShellWatch } from './shell-watch.ts';
import { Shells } from './shells.ts';
import { CannotRun } from './spawn.ts';
import type { Workers } from './worker.ts';

/** Between two looks: a program that keeps making terminals, or writes much to one, shall not keep us busy. */
const PACE = 100; // ms
/** The more processes there are, the longer a look takes: so many times that is for others. */
const REST = 50;

export class Autolock implements Follower {
  readonly #operator: Operator;
  readonly #workers: Workers;
  readonly #ready: Promise<void>;
  readonly #log: Log;
  #watch: ShellWatch | undefined;
  #isOver = false;

  /** @param ready resolves when the command runs: it may be a shell itself */
  constructor(operator: Operator, workers: Workers, ready: Promise<void>, log: Log) {
    this.#operator = operator;
    this.#workers = workers;
    this.#ready = ready;
    this.#log = log;
  }

  /** No lock begins any more: the container is about to end. */
  end(): void {
    this.#isOver = true;
    this.locks();
  }

  unlocked(): void {
    if (this.#isOver) return;
    try {
      this.#watch = new ShellWatch(new Shells(this.#operator));
      void this.#attend(this.#watch);
    } catch (error) {
      this.#cannotWatch(error);
    }
  }

  locks(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  /** From the unlock to the lock. */
  async #attend(watch: ShellWatch): Promise<void> {
    await this.#ready;
    let before = 0;
    while (!watch.isClosed) {
      const began = performance.now();
      const shells = this.#look(watch);
      const pause = Math.max(PACE, REST * (performance.now() - began));
      if (shells !== before) this.#log.debug(`interactive shells: ${shells}`);
      if (before > 0 && shells === 0) await this.#lock(watch);
      before = shells;
      if (watch.isClosed) return;
      await Promise.all([watch.news(), watch.pause(pause)]);
    }
  }

  #look(watch: ShellWatch): number {
    try {
      return watch.look();
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
      this.#cannotWatch(error);
      watch.close();
      return 1;
    }
  }

  #cannotWatch(error: unknown): void {
    this.#log.error(
      `cannot watch /dev/pts for shells: ${reasonOf(error)}`,
      'the vault stays unlocked when the last one ends',
    );
  }

  async #lock(watch: ShellWatch): Promise<void> {
    this.#log.info('the last shell has ended: locking');
    const status = await this.#runWorker();
    if (watch.isClosed) return;
    const hint =
      'the vault stays unlocked; tried again when the next shell has been the last, and when the container ends';
    this.#log.error(`cannot lock after the last shell (status ${status}, the reason is above)`, hint);
  }

  async #runWorker(): Promise<number> {
    try {
      return exitStatusOf(await this.#workers.start('lock').ended);
    } catch (error) {
      if (!(error instanceof CannotRun)) throw error;
      this.#log.error(error.message);
      return error.status;
    }
  }
}
