// Being told to stop while there is something to undo: the signal becomes an error, so that `finally` and `using`
// do their work, and the program ends with 128+n as if the signal had ended it.
// Where nothing has to be undone signals keep their default effect.

import { constants } from 'node:os';

const STOPPING = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const;

/** The program was told to end; nothing is to be said about it. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  /** 128+n, as a shell reports a process that signal n ended. */
  readonly exitStatus: number;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.exitStatus = 128 + constants.signals[signal];
  }
}

/**
 * Catching the signals that ask the program to end, until it is disposed. To be begun before there is anything to undo,
 * so that no signal comes in between, and disposed after it has been undone.
 */
export class Interruption implements Disposable {
  readonly #interrupted = Promise.withResolvers<never>();
  readonly #stop = (signal: NodeJS.Signals): void => this.#interrupted.reject(new Interrupted(signal));

  constructor() {
    // A signal while nobody waits is met by the next wait.
    this.#interrupted.promise.catch(() => undefined);
    for (const signal of STOPPING) process.on(signal, this.#stop);
  }

  /**
   * Waits for `work`, or for a signal. After a signal `work` goes on unobserved: undo what it does and end the program
   * without giving it another turn of the event loop.
   * @throws Interrupted on SIGHUP, SIGINT, SIGQUIT or SIGTERM
   */
  async orEndOf<T>(work: Promise<T>): Promise<T> {
    return await Promise.race([this.#interrupted.promise, work]);
  }

  [Symbol.dispose](): void {
    for (const signal of STOPPING) process.off(signal, this.#stop);
  }
}
