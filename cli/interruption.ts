// Being told to stop while there is something to undo: the signal becomes an error, so that `finally` and `using`
// do their work, and the program ends with 128+n as if the signal had ended it.
// Outside of `interruptible` signals keep their default effect: then there is nothing of ours to undo.

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
 * Waits for `work`, or for a signal that asks the program to end.
 * After a signal `work` goes on unobserved: undo and exit without giving it another turn of the event loop.
 * @throws Interrupted on SIGHUP, SIGINT, SIGQUIT or SIGTERM
 */
export async function interruptible<T>(work: Promise<T>): Promise<T> {
  const interrupted = Promise.withResolvers<never>();
  const stop = (signal: NodeJS.Signals): void => interrupted.reject(new Interrupted(signal));
  for (const signal of STOPPING) process.on(signal, stop);
  try {
    return await Promise.race([work, interrupted.promise]);
  } finally {
    for (const signal of STOPPING) process.off(signal, stop);
  }
}
