// Who never stops writing is saved all the same, and not too often. In a file of its own, beside the others: it takes its time.

import { randomBytes } from 'node:crypto';
import { stat, watch } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';

import { ENCLAVE } from '../../lib/paths.ts';
import { createPod, startPod, WITH_SECRET } from '../support/pod.ts';
import type { Sandbox } from '../support/sandbox.ts';
import { savedContents, sealVault, vaultPath } from '../support/vault.ts';
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

test(
  '40 MB are not written again every two seconds, however often a little of them changes',
  { timeout: 90_000 },
  async () => {
    await using pod = await createPod(await sealVault({ large: randomBytes(40_000_000) }));
    const running = await startPod(
      pod,
      ['sh', '-c', `echo ready; while :; do date >${ENCLAVE}/now; sleep 0.6; done`],
      WITH_SECRET,
    );
    await running.stdout.waitFor('ready');
    // From one version to the next three times, whatever the first one waited for.
    const times: number[] = [];
    let last = await inode(pod);
    for await (const _ of watch(dirname(vaultPath(pod.bundle)), { signal: AbortSignal.timeout(80_000) })) {
      const now = await inode(pod);
      if (now !== last) times.push(performance.now());
      last = now;
      if (times.length === 3) break;
    }
    for (const [index, time] of times.entries()) expect(time - (times[index - 1] ?? -Infinity)).toBeGreaterThan(8000);
  },
);

/** Each version is a file of its own. */
async function inode({ bundle }: Sandbox): Promise<number> {
  return (await stat(vaultPath(bundle))).ino;
}
