// What the kernel tells of a process: its threads' switches and CPU time, and its memory.

import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

export interface Activity {
  /** Over all threads, since they began. */
  readonly voluntarySwitches: number;
  readonly cpuNanoseconds: number;
}

/** proc_pid_status(5); `schedstat` is in the kernel's Documentation/scheduler/sched-stats. */
export async function readActivity(pid: number): Promise<Activity> {
  let [voluntarySwitches, cpuNanoseconds] = [0, 0];
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'latin1');
    voluntarySwitches += Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
    const schedule = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
    cpuNanoseconds += Number(schedule.split(' ')[0]);
  }
  return { voluntarySwitches, cpuNanoseconds };
}

/** KiB, of smaps_rollup (proc_pid_smaps(5)). */
export interface Memory {
  readonly proportional: number;
  /** What would be free if this process ended. */
  readonly private: number;
}

export async function readMemory(pid: number): Promise<Memory> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'latin1');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1]);
  return { proportional: field('Pss'), private: field('Private_Clean') + field('Private_Dirty') };
}

const LOOK_AGAIN = 20; // ms
const QUIET_LOOKS = 10;

/**
 * Waits until a process has not run for a moment: what it does after its start is over. That is longer than our PID 1 waits
 * before it trims its memory (entrypoint/trim.ts): whatever it does sets that timer anew.
 */
export async function quiet(pid: number): Promise<void> {
  let before = await readActivity(pid);
  for (let same = 0; same < QUIET_LOOKS; same++) {
    await delay(LOOK_AGAIN);
    const now = await readActivity(pid);
    if (now.cpuNanoseconds !== before.cpuNanoseconds) same = -1;
    before = now;
  }
}
