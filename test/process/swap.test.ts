// Swap: what is in the enclave must not get to disk that way. Where it cannot be forbidden, that is said.

import { describe, expect, test } from 'vitest';

import { ENCLAVE } from '../../lib/paths.ts';
import { createPod, startPod, startUnlocked } from '../support/pod.ts';

/** What /proc/swaps says of a machine that swaps. */
const SWAP_IS_ON = `
  printf 'Filename Type Size Used Priority\\n/swap.img file 1048576 0 -2\\n' >/tmp/swaps
  mount --bind /tmp/swaps /proc/swaps
`;
const engineMounts = (options: string): string => `
  mkdir -p ${ENCLAVE}
  mount -t tmpfs -o mode=0700,uid=1000,gid=1000${options} engine ${ENCLAVE}
`;
const MAY_BE_SWAPPED = 'the enclave may be swapped to disk';

/** Whether this machine lets a container's root mount with `noswap`: Linux 6.4 or later, and no user namespace. */
async function canForbidSwap(): Promise<boolean> {
  await using pod = await createPod(null);
  const running = await startPod(pod, ['true'], {
    prepare:
      'mkdir /tmp/trial; if mount -t tmpfs -o noswap trial /tmp/trial; then : >/workspace/forbidden; fi 2>/dev/null',
  });
  await running.exited;
  const { code } = await pod.bundle.inspect(['test', '-e', `${pod.bundle.workspace}/forbidden`]);
  return code === 0;
}

describe('the enclave', () => {
  test('of ours is never swapped where the kernel can forbid it; else a machine that swaps is a warning', async () => {
    const forbidden = await canForbidSwap();
    await using pod = await createPod();
    const running = await startUnlocked(pod, { prepare: SWAP_IS_ON });
    const mounts = await running.exec(['grep', ` ${ENCLAVE} `, '/proc/self/mountinfo']);
    expect(/[ ,]noswap(,|$)/m.test(mounts.stdout)).toBe(forbidden);
    expect(running.stderr.text.includes(MAY_BE_SWAPPED)).toBe(!forbidden);
  });

  test('of the engine’s may be swapped on a machine that swaps, with a warning', async () => {
    expect(await saysWith(SWAP_IS_ON + engineMounts(''))).toContain(MAY_BE_SWAPPED);
  });

  test('of the engine’s is without the warning where the engine forbade it, or the machine does not swap', async () => {
    const harmless = [engineMounts('')];
    if (await canForbidSwap()) harmless.push(SWAP_IS_ON + engineMounts(',noswap'));
    for (const prepare of harmless) expect(await saysWith(prepare)).not.toContain(MAY_BE_SWAPPED);
  });
});

/** All that PID 1 says in a life with an unlocked vault. */
async function saysWith(prepare: string): Promise<string> {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { prepare });
  running.signal('SIGTERM');
  await running.exited;
  return running.stderr.whole();
}
