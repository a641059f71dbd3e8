// The processes that are left when the command is gone: our own workers finish or are ended, all others are drained. Of a
// stop's deadline they leave what the last save needs.

import { drain, KILL_PATIENCE } from './drain.ts';
import type { Log } from './log.ts';
import { describeProcess } from './process-life.ts';
import type { Stop } from './stop.ts';
import { endsWithin, endWorker, type Worker } from './worker.ts';

/** Between TERM and KILL. */
const DRAIN_GRACE = 2000; // ms
/** What the kernel gets to end what was killed, however late it is. */
const LEAST_KILL_PATIENCE = 100; // ms
/** How long a save that is under way may take. */
const WORKER_PATIENCE = 1000; // ms
/** What is left of a deadline for the last save, and for a rescue when that fails. */
const KEPT_FOR_SAVE = 2500; // ms
/** Of processes that are about to be ended so many are named. */
const MOST_NAMED = 5;

/** @param isPatient whether those that are drained get time to end by themselves */
export async function endProcesses(
  workers: readonly Worker[],
  stop: Stop,
  isPatient: boolean,
  log: Log,
): Promise<void> {
  const remaining = (): number => Math.max(0, stop.remaining - KEPT_FOR_SAVE);
  for (const worker of workers) {
    // It may wait for the turn of a client that only the drain will end; the last save makes up for it.
    await endsWithin(worker, Math.min(WORKER_PATIENCE, remaining()));
    await endWorker(worker);
  }
  const grace = isPatient ? Math.min(DRAIN_GRACE, remaining()) : 0;
  const patience = Math.min(KILL_PATIENCE, remaining() + LEAST_KILL_PATIENCE);
  const left = await drain(grace, patience, (pids) => log.info(`ending ${listed(pids)}`));
  if (left.length > 0)
    log.warn(`cannot end ${left.length === 1 ? 'process' : 'processes'} ${left.join(', ')}: killed, and still there`);
}

/** Who they are; of many, the first. */
function listed(pids: readonly number[]): string {
  const more = pids.length - MOST_NAMED;
  return `${pids.slice(0, MOST_NAMED).map(describeProcess).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
