// How often a process was woken up: what an idle one is not.

import { readdir, readFile } from 'node:fs/promises';

import type { Running } from './sandbox.ts';

/** How often each thread of PID 1 has gone to sleep, that is woken up before (proc_pid_status(5)). */
export async function wakeUps({ pid }: Running): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'latin1');
    counts[thread] = Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(status)?.[1]);
  }
  return counts;
}
