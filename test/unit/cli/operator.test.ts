// Root becomes the operator before anything else; `vault` verbs stay who they are where there is no such account.

import { chown, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { SMALL, tazpod, temporaryDirectory } from './tool.ts';

const NOBODY = 65_534;

describe.runIf(process.getuid?.() === 0)('called as root', () => {
  test("what is written is the operator's", async () => {
    await using directory = await temporaryDirectory();
    await chown(directory.path, NOBODY, NOBODY);
    const place = join(directory.path, 'out');
    const { status } = await tazpod(['vault', 'extract', SMALL.file, place, '--passphrase-file', '-'], {
      env: { TAZPOD_USER: 'nobody' },
      input: SMALL.passphrase,
    });
    expect(status).toBe(0);
    expect(await stat(join(place, '.aws/credentials'))).toMatchObject({ uid: NOBODY, gid: NOBODY });
  });

  test('what only root may read cannot be read', async () => {
    await using directory = await temporaryDirectory();
    const { status, stderr } = await tazpod(['vault', 'list', join(directory.path, 'v')], {
      env: { TAZPOD_USER: 'nobody', TAZPOD_PASSPHRASE: 'x' },
    });
    expect(status).toBe(10);
    expect(stderr).toContain('permission denied');
  });

  test('TAZPOD_PASSPHRASE is read all the same', async () => {
    const env = { TAZPOD_USER: 'nobody', TAZPOD_PASSPHRASE: SMALL.passphrase };
    expect((await tazpod(['vault', 'list', SMALL.file], { env })).status).toBe(0);
  });

  test('TAZPOD_USER may be a uid', async () => {
    await using directory = await temporaryDirectory();
    await chown(directory.path, NOBODY, NOBODY);
    const place = join(directory.path, 'out');
    const { status } = await tazpod(['vault', 'extract', SMALL.file, place, '--passphrase-file', '-'], {
      env: { TAZPOD_USER: String(NOBODY) },
      input: SMALL.passphrase,
    });
    expect(status).toBe(0);
    expect(await stat(place)).toMatchObject({ uid: NOBODY });
  });

  test('a vault verb works where there is no such account', async () => {
    const env = { TAZPOD_USER: 'no-such-account', TAZPOD_PASSPHRASE: SMALL.passphrase };
    expect((await tazpod(['vault', 'list', SMALL.file], { env })).status).toBe(0);
  });

  test.for([
    ['no-such-account', 'has no such account'],
    ['root', 'it is root'],
  ] as const)('the verbs of the container refuse TAZPOD_USER=%s', async ([name, reason]) => {
    for (const verb of ['unlock', 'lock', 'save', 'status']) {
      const { status, stderr } = await tazpod([verb], { env: { TAZPOD_USER: name } });
      expect({ verb, status }).toEqual({ verb, status: 10 });
      expect(stderr).toContain(reason);
    }
  });
});
