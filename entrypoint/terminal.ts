// The controlling terminal: who is in its foreground.

import { check, libc } from './native.ts';

/** isatty(3). Node's own comes with all of node:net, which takes longer to load than the rest of the boot. */
export function isTerminal(descriptor: number): boolean {
  return libc.isatty(descriptor) === 1;
}

/**
 * The first of descriptors 0–2 that is our controlling terminal with us in its foreground, so that the foreground is
 * ours to hand over (tcsetpgrp(3)).
 */
export function foregroundTerminal(): number | undefined {
  return [0, 1, 2].find((descriptor) => isTerminal(descriptor) && libc.tcgetpgrp(descriptor) === libc.getpgrp());
}

/** Takes the foreground back after the command. (We are in the background then, and ignore the SIGTTOU of it.) */
export function takeForeground(terminal: number): void {
  try {
    check('tcsetpgrp', libc.tcsetpgrp(terminal, libc.getpgrp()));
  } catch {
    // The terminal hung up: nobody reads there any more.
  }
}
