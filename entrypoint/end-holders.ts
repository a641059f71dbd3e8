// `lock --kill`: ending the processes that hold the enclave before it is wiped. TERM first, then KILL.
// With the operator's identity, so that nobody can have PID 1 end what they could not end themselves: root's processes stay,
// and are named. So does the process that asks, with the shell and whatever else it was started from.

import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

import { errnoName } from '../lib/errors.ts';
import type { Holder } from '../lib/protocol.ts';
import { holdersOf } from './holders.ts';
import { whollyAsOperator, type Operator } from './operator.ts';
import { readLife } from './process-life.ts';

const { SIGCONT, SIGKILL, SIGTERM } = constants.signals;
const GRACE = 1000; // ms, between TERM and KILL
const KILL_PATIENCE = 500; // ms; what still holds it then waits for something in the kernel
const LOOK_AGAIN = 20; // ms

/**
 * Ends the operator's processes that hold the file system `device`.
 * @param spared these processes are left alone, with their ancestors
 * @returns those that hold it no longer
 */
export async function endHolders(device: number, operator: Operator, spared: readonly number[]): Promise<Holder[]> {
  const left = new Set(spared.flatMap(withAncestors));
  const told = new Map<number, Holder>();
  const find = (): Holder[] => holdersOf(device, operator).filter(({ pid }) => !left.has(pid));

  const tell = (holders: readonly Holder[]): void => {
    for (const holder of holders) {
      if (told.has(holder.pid)) continue;
      // What is stopped would not see the signal.
      if (send(operator, holder.pid, SIGTERM) && send(operator, holder.pid, SIGCONT)) told.set(holder.pid, holder);
      else left.add(holder.pid);
    }
  };
  const areGone = async (patience: number, act: (holders: readonly Holder[]) => void): Promise<boolean> => {
    for (const end = Date.now() + patience; ; await delay(LOOK_AGAIN)) {
      const holders = find();
      act(holders);
      if (holders.length === 0) return true;
      if (Date.now() >= end) return false;
    }
  };

  if (!(await areGone(GRACE, tell))) {
    await areGone(KILL_PATIENCE, (holders) => {
      for (const holder of holders) {
        if (send(operator, holder.pid, SIGKILL)) told.set(holder.pid, holder);
      }
    });
  }
  const still = new Set(find().map(({ pid }) => pid));
  return [...told.values()].filter(({ pid }) => !still.has(pid));
}

function withAncestors(pid: number): number[] {
  const line: number[] = [];
  for (let next: number | undefined = pid; next !== undefined && next > 0; next = readLife(next)?.parent)
    line.push(next);
  return line;
}

/** Whether it got there: false for what is not the operator's to signal. */
function send(operator: Operator, pid: number, signal: number): boolean {
  try {
    return whollyAsOperator(operator, () => process.kill(pid, signal));
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return errnoName(error) === 'ESRCH';
  }
}
