// Draining: ending every process that is left in the container before the enclave is destroyed. TERM first, then KILL.
// As PID 1 that is everything we see, `docker exec`ed processes included (kill(2): -1 spares PID 1). Otherwise it is our
// own descendants, whose orphans come to us as their subreaper.

import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

import { errnoName } from '../lib/errors.ts';
import { otherProcesses } from './holders.ts';
import { lastErrno, libc } from './native.ts';
import { readLife } from './process-life.ts';

const { SIGCONT, SIGKILL, SIGTERM } = constants.signals;
const P_ALL = 0;
const [WNOHANG, WEXITED, WNOWAIT] = [0x1, 0x4, 0x1000000];
const LOOK_AGAIN = 10; // ms; also how long the kernel may take to end what was killed
/** What is still there so long after a KILL cannot be killed (uninterruptible sleep). */
export const KILL_PATIENCE = 2000; // ms

/**
 * Ends all other processes.
 * @param grace milliseconds between TERM and KILL; 0: KILL at once
 * @param patience milliseconds that the kernel may take to end what was killed
 * @param begin is told the pids of those that there are, if there are any
 * @returns the pids that cannot be ended
 */
export async function drain(
  grace: number,
  patience: number,
  begin: (pids: readonly number[]) => void,
): Promise<number[]> {
  if (isEmpty()) return [];
  const pids = remaining();
  if (pids.length > 0) begin(pids);
  if (grace > 0) {
    send(SIGTERM);
    // What is stopped would not see the signal.
    send(SIGCONT);
    if (await emptiedWithin(grace, () => undefined)) return [];
  }
  // Again and again: what forks while it is being killed leaves children.
  await emptiedWithin(patience, () => send(SIGKILL));
  return remaining();
}

async function emptiedWithin(milliseconds: number, act: () => void): Promise<boolean> {
  for (const end = Date.now() + milliseconds; Date.now() < end;) {
    act();
    await delay(LOOK_AGAIN);
    if (isEmpty()) return true;
  }
  return false;
}

function send(signal: number): void {
  for (const target of process.pid === 1 ? [-1] : remaining()) {
    try {
      process.kill(target, signal);
    } catch (error) {
      // Ended meanwhile, or not ours to signal: then it is reported in the end.
      if (errnoName(error) === undefined) throw error;
    }
  }
}

/**
 * Whether nobody is left, by what the kernel knows at one moment: a look at /proc misses what is started meanwhile by somebody who
 * has ended when he is looked at.
 */
function isEmpty(): boolean {
  // As a subreaper we are the parent of whoever has lost his own: without children we have no descendants.
  if (process.pid !== 1) return libc.waitid(P_ALL, 0, null, WEXITED | WNOHANG | WNOWAIT) === -1 && isErrno('ECHILD');
  // To -1, ESRCH means that there is nobody else, not even a zombie; signal 0 only asks (kill(2)).
  if (libc.kill(-1, 0) === -1 && isErrno('ESRCH')) return true;
  // Zombies whose parents are outside the container are not ours to reap. Twice: see above.
  return remaining().length === 0 && remaining().length === 0;
}

function isErrno(name: 'ECHILD' | 'ESRCH'): boolean {
  return lastErrno() === constants.errno[name];
}

/** Processes that live: all others as PID 1, else our descendants. Zombies wait for their parents only. */
function remaining(): number[] {
  const parents = new Map<number, number>();
  for (const pid of otherProcesses()) {
    const life = readLife(pid);
    if (life?.isZombie === false) parents.set(pid, life.parent);
  }
  if (process.pid === 1) return [...parents.keys()];
  const isOurs = (pid: number): boolean => {
    for (let parent = parents.get(pid); parent !== undefined; parent = parents.get(parent)) {
      if (parent === process.pid) return true;
    }
    return false;
  };
  return [...parents.keys()].filter(isOurs);
}
