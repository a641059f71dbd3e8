// The controlling terminal: who is in its foreground.

import { constants } from 'node:os';
import { isatty } from 'node:tty';

import { check, libc, signalSet } from './native.ts';

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;

/**
 * The first of descriptors 0–2 that is our controlling terminal with us in its foreground, so that the foreground is
 * ours to hand over (tcsetpgrp(3)).
 */
export function foregroundTerminal(): number | undefined {
  const group = libc.getpgrp();
  return [0, 1, 2].find((descriptor) => isatty(descriptor) && libc.tcgetpgrp(descriptor) === group);
}

/** Takes the foreground back after the command, so that what we still have to say raises no SIGTTOU. */
export function takeForeground(terminal: number): void {
  const own = signalSet(constants.signals.SIGTTOU);
  libc.pthread_sigmask(SIG_BLOCK, own, null);
  try {
    check('tcsetpgrp', libc.tcsetpgrp(terminal, libc.getpgrp()));
  } catch {
    // The terminal hung up: nobody reads there any more.
  } finally {
    libc.pthread_sigmask(SIG_UNBLOCK, own, null);
  }
}
