// A stop request (docker stop) and what it sets going: after a moment a save, on a terminal SIGHUP, SIGKILL when the time is over
// or at a second request, and a deadline for all that comes after the command.

import { constants } from 'node:os';

import type { Log } from './log.ts';

const { SIGHUP, SIGKILL } = constants.signals;

/** Most commands have ended by then, and leave nothing to save but to the last save: a second one would double the stop. */
const CHECKPOINT_AFTER = 100; // ms
/** Interactive shells ignore SIGTERM, and end at a hangup. */
const HANGUP_AFTER = 250; // ms
/** What drain, last save and lock may take after the command's time: with the default 5 s it is 9 s, and docker gives 10. */
const AFTER_COMMAND = 4000; // ms
/** What a command that ends sooner leaves to them, counted from the request. */
const WHOLE = 9000; // ms
/** What of it is for an encrypted copy, when the last save has not ended by then. */
const FOR_RESCUE = 1200; // ms
/** What of it hooks must leave to what comes after them: the drain, the last save, the lock. */
const AFTER_HOOKS = 3000; // ms
/** What is still there so long after a KILL waits for a disk that does not answer, and cannot be ended. */
const KILL_PATIENCE = 1000; // ms

export interface StopSteps {
  /** Sends the command a signal. */
  readonly send: (signal: number) => void;
  /** Saves what can be saved while the command still has its time. */
  readonly checkpoint: () => void;
}

export class Stop {
  readonly #timeout: number | undefined;
  readonly #onTerminal: boolean;
  readonly #steps: StopSteps;
  readonly #log: Log;
  readonly #deadline = Promise.withResolvers<void>();
  readonly #saveEnds = Promise.withResolvers<void>();
  readonly #hooksEnd = Promise.withResolvers<void>();
  readonly #givenUp = Promise.withResolvers<void>();
  readonly #timers: NodeJS.Timeout[] = [];
  #requested: number | undefined;
  #ends = Infinity;
  #commandIsGone = false;

  /** @param timeout milliseconds from the request to SIGKILL; undefined: never */
  constructor(timeout: number | undefined, onTerminal: boolean, steps: StopSteps, log: Log) {
    this.#timeout = timeout;
    this.#onTerminal = onTerminal;
    this.#steps = steps;
    this.#log = log;
  }

  get isRequested(): boolean {
    return this.#requested !== undefined;
  }

  /** Milliseconds until the deadline; Infinity while there is none: nobody asked for a stop, or the command has no limit. */
  get remaining(): number {
    return Math.max(0, this.#ends - Date.now());
  }

  /** Resolves at the deadline, if there ever is one. */
  get deadline(): Promise<void> {
    return this.#deadline.promise;
  }

  /** Resolves when a last save that is still under way has to make room for a rescue. */
  get saveEnds(): Promise<void> {
    return this.#saveEnds.promise;
  }

  /** Resolves when hooks that still run have to make room for what comes after them. */
  get hooksEnd(): Promise<void> {
    return this.#hooksEnd.promise;
  }

  /** Milliseconds that a save which begins now may take. */
  get remainingForSave(): number {
    return Math.max(this.remaining - FOR_RESCUE, this.remaining / 2);
  }

  /** Resolves when the command was killed, and is still there: what follows does not wait for it. */
  get givenUp(): Promise<void> {
    return this.#givenUp.promise;
  }

  /** A stop was asked for. The second time, the command's time is over at once, unless it has no limit; so is that of hooks. */
  request(): void {
    if (this.isRequested) {
      if (this.#commandIsGone) this.#hooksEnd.resolve();
      if (this.#timeout === undefined) return;
      this.#log.info('second stop request: not waiting for the command any longer');
      this.#kill();
      return;
    }
    this.#requested = Date.now();
    this.#after(CHECKPOINT_AFTER, this.#steps.checkpoint);
    const timeout = this.#timeout;
    if (timeout !== undefined || this.#commandIsGone) this.#startDeadline(this.#requested);
    if (timeout === undefined || this.#commandIsGone) return;
    if (this.#onTerminal) this.#after(HANGUP_AFTER, () => this.#steps.send(SIGHUP));
    this.#after(timeout, () => {
      this.#log.warn(`the command did not end within ${timeout / 1000} s: killing it`);
      this.#kill();
    });
  }

  /** The command is gone: where it had no time limit, what follows has one from here on. */
  commandEnded(): void {
    this.#commandIsGone = true;
    this.cancel();
    if (this.#requested !== undefined) this.#startDeadline(this.#requested);
  }

  #startDeadline(requested: number): void {
    const commandEnds = this.#timeout === undefined ? Date.now() : requested + this.#timeout;
    this.#ends = Math.max(commandEnds + AFTER_COMMAND, requested + WHOLE);
    this.#after(this.remaining - AFTER_HOOKS, () => this.#hooksEnd.resolve());
    this.#after(this.remaining - FOR_RESCUE, () => this.#saveEnds.resolve());
    this.#after(this.remaining, () => this.#deadline.resolve());
  }

  #kill(): void {
    this.#steps.send(SIGKILL);
    if (!this.#commandIsGone) this.#after(KILL_PATIENCE, () => this.#givenUp.resolve());
  }

  /** Nothing happens any more. */
  cancel(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #after(milliseconds: number, act: () => void): void {
    this.#timers.push(setTimeout(act, milliseconds));
  }
}
