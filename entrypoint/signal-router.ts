// Where a signal goes: before the command runs, four of them abort the boot and the others are kept for it; while it runs
// each is forwarded to it exactly once, and a stop request is told besides; afterwards only stop requests count.

import { constants } from 'node:os';

import { errnoName, reasonOf } from '../lib/errors.ts';
import type { Log } from './log.ts';
import { check, libc } from './native.ts';
import { signalName } from './signals.ts';

const { SIGHUP, SIGINT, SIGQUIT, SIGTERM } = constants.signals;
const ABORTS_BOOT: ReadonlySet<number> = new Set([SIGTERM, SIGINT, SIGHUP, SIGQUIT]);

/** Thrown through the boot when a signal aborts it. */
export class BootAborted extends Error {
  override readonly name = 'BootAborted';
  readonly status: number;

  constructor(signal: number) {
    super(`boot aborted by signal ${signal}`);
    this.status = 128 + signal;
  }
}

export class SignalRouter {
  readonly #stopSignals: ReadonlySet<number>;
  readonly #onStop: () => void;
  readonly #log: Log;
  readonly #aborted = Promise.withResolvers<number>();
  readonly #kept: number[] = [];
  #phase: 'boot' | 'running' | 'ending' = 'boot';
  #target = 0;

  constructor(stopSignals: ReadonlySet<number>, onStop: () => void, log: Log) {
    this.#stopSignals = stopSignals;
    this.#onStop = onStop;
    this.#log = log;
  }

  /** Resolves with the signal that aborts the boot, if one comes before the command runs. */
  get aborted(): Promise<number> {
    return this.#aborted.promise;
  }

  /** Forwards to the command from now on, or to its process group; first what was kept for it. */
  commandRuns(pid: number, group: boolean): void {
    this.#phase = 'running';
    this.#target = group ? -pid : pid;
    for (const signal of this.#kept.splice(0)) this.send(signal);
  }

  /** The command is gone, and its pid may be another's soon: nothing is forwarded from now on. */
  commandEnded(): void {
    this.#phase = 'ending';
  }

  /** Forwards a signal at once, where there is a command to forward it to: none overtakes another. */
  readonly relay = (signal: number): boolean => {
    if (this.#phase !== 'running') return false;
    this.#forward(signal);
    return true;
  };

  /** Takes a signal that was sent to us. */
  readonly route = (signal: number): void => {
    switch (this.#phase) {
      case 'boot':
        if (ABORTS_BOOT.has(signal)) this.#aborted.resolve(signal);
        else this.#kept.push(signal);
        return;
      case 'running':
        this.#forward(signal);
        return;
      case 'ending':
        if (this.#stopSignals.has(signal)) this.#onStop();
    }
  };

  #forward(signal: number): void {
    this.send(signal);
    this.#log.debug(`forwarded ${signalName(signal)}`);
    // What a stop sets going is the event loop's to do: this may run in the moment that the signal arrives.
    if (this.#stopSignals.has(signal)) setImmediate(this.#onStop);
  }

  /** Sends the command a signal. */
  send(signal: number): void {
    if (this.#phase !== 'running') return;
    try {
      check('kill', libc.kill(this.#target, signal));
    } catch (error) {
      // ESRCH: it has ended in this moment.
      if (errnoName(error) !== 'ESRCH')
        this.#log.warn(`cannot send ${signalName(signal)} to the command: ${reasonOf(error)}`);
    }
  }
}
