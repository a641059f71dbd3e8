// The link-swap race, ten thousand unlocks long (test/support/swaps.ts; a short one is among the tests). A race has no seed:
// what is found is told, but cannot be had again by its number.

import { SwappedHome } from '../test/support/swaps.ts';
import type { Stress, StressContext, StressOutcome } from './stress.ts';

/** Rounds between two looks at everything. */
const BATCH = 40;

export const swaps: Stress = {
  name: 'swaps',
  summary: 'unlocks while ~/secrets, ~/.aws and secrets/.aws are exchanged for links to /etc',
  unit: 'unlocks',
  count: 10_000,
  oracle:
    'Two processes of the operator, one with a mount namespace that is older than the mounts, exchange the three names for links to /etc as fast as they can. A client opens, commits ' +
    `and closes over the control socket; after every ${BATCH} rounds \`tazpod\` unlocks and locks. Each round ends unlocked, or refused with \`cannot-mount\`; a whole unlock, too, or refused for a reason that is named. Then it is locked, with nothing mounted; nothing is ` +
    'ever mounted out of the home; no owner, mode, name or time of change in /etc, /root, /run, /usr/local/bin, /var and the workspace is another afterwards.',
  executable: true,
  run,
};

async function run({ count, from, progress, fail }: StressContext): Promise<StressOutcome> {
  await using home = await SwappedHome.create();
  const figures = {
    committed: 0,
    'refused at open': 0,
    'refused at commit': 0,
    'whole unlocks': 0,
    'of them refused': 0,
  };
  for (let done = 0; done < count;) {
    const batch = Math.min(BATCH, count - done);
    const { findings, ...rounds } = await home.race(batch);
    for (const finding of findings) fail(from + done, finding);
    for (const [name, number] of Object.entries(rounds)) figures[name as keyof typeof rounds] += number;
    figures['whole unlocks'] += 1;
    try {
      if (!(await home.unlockAndLock())) figures['of them refused'] += 1;
    } catch (error) {
      fail(from + done, String(error));
    }
    done += batch;
    const damage = await home.damage();
    if (damage !== undefined) fail(from + done, damage);
    progress(done);
  }
  const status = await home.stop();
  if (status !== 143) fail(from + count, `PID 1 ended with ${status}`);
  return { figures };
}
