import { chmod } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';

import { Session } from './session.ts';
import { SMALL } from './tool.ts';

test('saves, destroys the enclave, and what was saved is there after the next unlock', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('echo mine >secrets/new');
  const { code, stdout, stderr } = await session.tazpod(['lock']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toMatch(/^tazpod: saved: .+\ntazpod: locked$/);
  expect(await session.isMounted()).toBe(false);
  await session.unlock();
  expect(await session.shell('cat secrets/new secrets/.vault_pass')).toBe(`mine\n${SMALL.passphrase}`);
});

test('locked already, it says so', async () => {
  await using session = await Session.begin();
  const { code, stderr } = await session.tazpod(['lock']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'tazpod: already locked' });
});

test('tells as JSON what it did', async () => {
  await using session = await Session.begin();
  await session.unlock();
  const { stdout } = await session.tazpod(['lock', '--json']);
  expect(JSON.parse(stdout)).toEqual({
    ok: true,
    state: 'locked',
    already: false,
    written: false,
    unmounted: true,
    holders: [],
    ended: [],
    failedHooks: [],
  });
});

test('a save that fails keeps it unlocked: 15, until --discard', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('echo mine >secrets/new');
  await chmod(dirname(session.vault), 0o555);
  const { code, stderr } = await session.tazpod(['lock']);
  expect(code).toBe(15);
  expect(stderr).toContain('tazpod lock --discard');
  expect(await session.state()).toBe('unlocked');
  expect(await session.shell('cat secrets/new')).toBe('mine');

  const discarded = await session.tazpod(['lock', '--discard']);
  expect(discarded.code).toBe(0);
  expect(discarded.stderr).toContain('what was not saved is gone');
  expect(await session.isMounted()).toBe(false);
});

test('something that cannot be saved keeps it unlocked: 13, with the rest saved', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('mkfifo secrets/pipe; echo mine >secrets/new');
  const { code, stderr } = await session.tazpod(['lock']);
  expect(code).toBe(13);
  expect(stderr).toMatch(/pipe is left out[^]*tazpod lock --discard/);
  expect(await session.state()).toBe('unlocked');
  await session.tazpod(['lock', '--discard']);
  await session.unlock();
  expect(await session.shell('cat secrets/new')).toBe('mine');
});
