// PID 1's memory: a container that runs for months, and is unlocked and locked every day, has no more in the end.

import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';

import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { createPod, SECRET_FILE, startUnlocked } from '../support/pod.ts';
import type { Running } from '../support/sandbox.ts';
import { wakeUps } from '../support/wake-ups.ts';

/** It is 1.04, nearly all of it until the tenth; without the flags of trim.ts 1.085, and more later. */
const MOST_GROWTH = 1.06;
/** It trims its memory a tenth of a second after each of them. */
const SETTLED = 400; // ms

test('PID 1 does not grow any more after its first unlocks and locks', { timeout: 180_000 }, async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod);
  await lockAndUnlock(running, 3);
  const few = await ownMemory(running);
  await lockAndUnlock(running, 57);
  expect(await ownMemory(running)).toBeLessThan(MOST_GROWTH * few);
});

async function lockAndUnlock(running: Running, count: number): Promise<void> {
  const script = `for i in $(seq ${count}); do tazpod lock --quiet; tazpod unlock --quiet --passphrase-file ${SECRET_FILE}; done`;
  expect(await running.exec(['sh', '-ec', script], { user: OPERATOR_ID })).toMatchObject({ code: 0 });
}

/** KiB that are in no file (proc_pid_smaps(5)), once PID 1 has been at rest for a moment. */
async function ownMemory(running: Running): Promise<number> {
  for (let before, now = await wakeUps(running); !isDeepStrictEqual(now, before); now = await wakeUps(running)) {
    before = now;
    await delay(SETTLED);
  }
  const rollup = await readFile(`/proc/${running.pid}/smaps_rollup`, 'latin1');
  return Number(/^Anonymous:\s+(\d+) kB$/m.exec(rollup)?.[1]);
}
