// A stop request (docker stop) and what it sets going: on a terminal SIGHUP after a moment, SIGKILL when the time is over
// or at a second request, and a deadline for all that comes after the command.

import { constants } from 'node:os';

import type { Log } from './log.ts';

const { SIGHUP, SIGKILL } = constants.signals;

/** Interactive shells ignore SIGTERM, and end at a hangup. */
const HANGUP_AFTER = 250; // ms
/** What drain, last save and lock may take after the command's time: with the default 5 s it is 9 s, and docker gives 10. */
const AFTER_COMMAND = 4000; // ms

export class Stop {
  readonly #timeout: number | undefined;
  readonly #onTerminal: boolean;
  readonly #send: (signal: number) => void;
  readonly #log: Log;
  readonly #deadline = Promise.withResolvers<void>();
  readonly #timers: NodeJS.Timeout[] = [];
  #ends = Infinity;
  #commandIsGone = false;

  /** @param timeout milliseconds from the request to SIGKILL; undefined: never */
  constructor(timeout: number | undefined, onTerminal: boolean, send: (signal: number) => void, log: Log) {
    this.#timeout = timeout;
    this.#onTerminal = onTerminal;
    this.#send = send;
    this.#log = log;
  }

  get isRequested(): boolean {
    return this.#ends !== Infinity;
  }

  /** Milliseconds until the deadline; Infinity while nobody asked for a stop. */
  get remaining(): number {
    return Math.max(0, this.#ends - Date.now());
  }

  /** Resolves at the deadline, if there ever is one. */
  get deadline(): Promise<void> {
    return this.#deadline.promise;
  }

  /** A stop was asked for. The second time, the command's time is over at once, unless it has no limit. */
  request(): void {
    if (this.isRequested) {
      if (this.#timeout === undefined) return;
      this.#log.info('second stop request: not waiting for the command any longer');
      this.#send(SIGKILL);
      return;
    }
    this.#startDeadline();
    const timeout = this.#timeout;
    if (timeout === undefined || this.#commandIsGone) return;
    if (this.#onTerminal) this.#after(HANGUP_AFTER, () => this.#send(SIGHUP));
    this.#after(timeout, () => {
      this.#log.warn(`the command did not end within ${timeout / 1000} s: killing it`);
      this.#send(SIGKILL);
    });
  }

  /** The command is gone: where it had no time limit, what follows has one from here on. */
  commandEnded(): void {
    this.#commandIsGone = true;
    this.cancel();
    if (this.isRequested) this.#startDeadline();
  }

  #startDeadline(): void {
    const commandTime = this.#commandIsGone ? 0 : this.#timeout;
    this.#ends = Math.min(this.#ends, Date.now() + (commandTime ?? 0) + AFTER_COMMAND);
    if (commandTime !== undefined) this.#after(this.remaining, () => this.#deadline.resolve());
  }

  /** Nothing happens any more. */
  cancel(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #after(milliseconds: number, act: () => void): void {
    this.#timers.push(setTimeout(act, milliseconds));
  }
}
