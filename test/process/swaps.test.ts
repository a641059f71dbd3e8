// A short run of the link-swap race. (The long one: npm run stress -- swaps.)

import { expect, test } from 'vitest';

import { SwappedHome } from '../support/swaps.ts';

test('unlocks while ~/secrets, ~/.aws and secrets/.aws are exchanged for links to /etc mount and touch nothing elsewhere', async () => {
  await using home = await SwappedHome.create();
  for (let batch = 0; batch < 3; batch++) {
    expect(await home.race(20)).toMatchObject({ findings: [] });
    await home.unlockAndLock();
    expect(await home.damage()).toBeUndefined();
  }
  expect(await home.stop()).toBe(143);
});
