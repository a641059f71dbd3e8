// The controlling terminal: who is in its foreground.

import { isatty } from 'node:tty';

import { check, libc } from './native.ts';

/**
 * The first of descriptors 0–2 that is our controlling terminal with us in its foreground, so that the foreground is
 * ours to hand over (tcsetpgrp(3)).
 */
export function foregroundTerminal(): number | undefined {
  const group = libc.getpgrp();
  return [0, 1, 2].find((descriptor) => isatty(descriptor) && libc.tcgetpgrp(descriptor) === group);
}

/** Takes the foreground back after the command. (We are in the background then, and ignore the SIGTTOU of it.) */
export function takeForeground(terminal: number): void {
  try {
    check('tcsetpgrp', libc.tcsetpgrp(terminal, libc.getpgrp()));
  } catch {
    // The terminal hung up: nobody reads there any more.
  }
}
