// Who never stops writing is saved all the same. In a file of its own, beside the others: it takes its half minute.

import { expect, test } from 'vitest';

import { ENCLAVE } from '../../lib/paths.ts';
import { createPod, startPod, WITH_SECRET } from '../support/pod.ts';
import { savedContents } from '../support/vault.ts';
import { wakeUps } from '../support/wake-ups.ts';

test(
  'a busy writer is saved within half a minute, and wakes PID 1 some two times a second',
  { timeout: 90_000 },
  async () => {
    await using pod = await createPod();
    const began = Math.floor(Date.now() / 1000);
    const running = await startPod(
      pod,
      [
        'perl',
        '-e',
        `
    $| = 1; print "ready\\n";
    while (1) { open my $file, '>', '${ENCLAVE}/now' or die; print $file time; close $file; select undef, undef, undef, 0.1 }
  `,
      ],
      WITH_SECRET,
    );
    await running.stdout.waitFor('ready');
    const total = async () => Object.values(await wakeUps(running)).reduce((sum, count) => sum + count, 0);
    const before = await total();
    await expect
      .poll(async () => Number((await savedContents(pod.bundle))['now'] ?? 0), { timeout: 45_000, interval: 1000 })
      .toBeGreaterThan(began);
    const seconds = Date.now() / 1000 - began;
    expect(seconds).toBeLessThan(40);
    expect((await total()) - before).toBeLessThan(seconds * 6);
  },
);
