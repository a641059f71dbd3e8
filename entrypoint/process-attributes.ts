// What prctl(2) sets on PID 1 itself. A change of credentials resets two of them, so that they are applied again after it.

import { errnoName } from '../lib/errors.ts';
import { cString, systemCall } from './native.ts';

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
  systemCall('prctl', PR_SET_NAME, cString(name));
}

/** Keeps the operator from /proc/PID/mem, /proc/PID/environ and ptrace(2), and sets the parent-death signal (again). */
export function applyAttributes(): void {
  systemCall('prctl', PR_SET_DUMPABLE);
  systemCall('prctl', PR_SET_PDEATHSIG, parentDeathSignal);
}

/**
 * Makes us the parent of our descendants' orphans, as PID 1 is by nature.
 * @returns whether the kernel can
 */
export function becomeSubreaper(): boolean {
  try {
    systemCall('prctl', PR_SET_CHILD_SUBREAPER, 1);
    return true;
  } catch (error) {
    if (errnoName(error) !== 'EINVAL') throw error;
    return false;
  }
}
