// What prctl(2) sets on PID 1 itself. A change of credentials resets two of them, so that they are applied again after it.

import { errnoName } from '../lib/errors.ts';
import { addressOf, check, cString, libc } from './native.ts';

const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;
const PR_SET_CHILD_SUBREAPER = 36;

let parentDeathSignal = 0;

/** `-p`: the signal that we get when our parent dies. */
export function setParentDeathSignal(signal: number): void {
  parentDeathSignal = signal;
  applyAttributes();
}

/** What `ps` and /proc/PID/comm call us, instead of the runtime's name. At most 15 bytes. */
export function nameProcess(name: string): void {
  check('prctl', libc.prctl(PR_SET_NAME, addressOf(cString(name)), 0n, 0n, 0n));
}

/** Keeps the operator from /proc/PID/mem, /proc/PID/environ and ptrace(2), and sets the parent-death signal (again). */
export function applyAttributes(): void {
  check('prctl', libc.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n));
  check('prctl', libc.prctl(PR_SET_PDEATHSIG, BigInt(parentDeathSignal), 0n, 0n, 0n));
}

/**
 * Makes us the parent of our descendants' orphans, as PID 1 is by nature.
 * @returns whether the kernel can
 */
export function becomeSubreaper(): boolean {
  try {
    check('prctl', libc.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n));
    return true;
  } catch (error) {
    if (errnoName(error) !== 'EINVAL') throw error;
    return false;
  }
}
