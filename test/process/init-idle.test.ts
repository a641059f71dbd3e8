// Idle costs nothing: no timers, no wake-ups. Looked at for longer than an engine's housekeeping waits before it begins
// (V8's memory reducer: 30 s after the start, and then every 8 s).

import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { OURS, OURS_UNPRIVILEGED } from '../support/inits.ts';
import { createPod, startUnlocked } from '../support/pod.ts';
import { Sandbox, type Running } from '../support/sandbox.ts';

const SETTLED = 5_000; // ms
const WINDOW = 45_000; // ms

test.concurrent.each([OURS, OURS_UNPRIVILEGED])(
  '$name does not wake up once while nothing happens',
  { timeout: 90_000 },
  async (init) => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line(['sleep', 'infinity']), init.options);
    const { before, after } = await wakeUpsOverTime(running);
    expect(after).toEqual(before);
  },
);

test.concurrent('an unlocked vault costs no wake-up while nothing happens', { timeout: 90_000 }, async () => {
  await using pod = await createPod();
  const { before, after } = await wakeUpsOverTime(await startUnlocked(pod));
  expect(after).toEqual(before);
});

async function wakeUpsOverTime(running: Running) {
  await delay(SETTLED);
  const before = await wakeUps(running);
  await delay(WINDOW);
  return { before, after: await wakeUps(running) };
}

/** How often each of its threads has gone to sleep, that is woken up before (proc_pid_status(5)). */
async function wakeUps({ pid }: Running): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const status = await readFile(`/proc/${pid}/task/${thread}/status`, 'latin1');
    counts[thread] = Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(status)?.[1]);
  }
  return counts;
}
