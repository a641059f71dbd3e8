// What an unlock that fails leaves, which is nothing: no mount, no file, no passphrase. Whoever waits is told the reason.

import { chmod, chown, mkdir, readFile, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { VAULT_FILE } from '../../lib/paths.ts';
import {
  createPod,
  NO_REMAINS,
  NOTHING,
  readSecrets,
  remains,
  SECRETS,
  startPod,
  traces,
  WAIT,
  WITH_SECRET,
  type PodOptions,
} from '../support/pod.ts';
import type { Sandbox } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { CONTENTS, defaultVault, PASSPHRASE, sealVault, vaultPath } from '../support/vault.ts';

const VECTORS = join(import.meta.dirname, '../vectors');
const OPERATOR = 1000;

describe('an unlock that fails', () => {
  interface Failure {
    readonly name: string;
    /** The vault's bytes; the default vault unless given. */
    readonly vault?: () => Promise<Uint8Array>;
    readonly change?: (pod: Sandbox) => Promise<void>;
    readonly options?: PodOptions;
    /** Worth a look under `required` as well: each kind of failure once. */
    readonly required?: true;
    /** What a person has to be told. */
    readonly says: RegExp;
  }

  const missing = { variables: { TAZPOD_PASSPHRASE_FILE: '/run/secrets/missing' } };
  const failures: Failure[] = [
    {
      name: 'for a wrong passphrase from a file',
      required: true,
      options: { ...WITH_SECRET, secret: 'wrong' },
      says: /wrong passphrase or/,
    },
    {
      name: 'for a wrong passphrase from the variable',
      options: { variables: { TAZPOD_PASSPHRASE: 'wrong' } },
      says: /wrong passphrase or/,
    },
    {
      name: 'for a passphrase file that is missing',
      required: true,
      options: missing,
      says: /cannot read the passphrase file \/run\/secrets\/missing/,
    },
    {
      name: 'for a passphrase file that is empty',
      required: true,
      options: { ...WITH_SECRET, secret: '' },
      says: /cannot use an empty passphrase/,
    },
    {
      name: 'for a passphrase file that is a directory',
      options: { variables: { TAZPOD_PASSPHRASE_FILE: '/run/secrets' }, prepare: 'mkdir -p /run/secrets' },
      says: /passphrase file \/run\/secrets: it is a directory/,
    },
    {
      name: 'for a passphrase file of root’s where the operator may put another',
      options: {
        variables: { TAZPOD_PASSPHRASE_FILE: '/home/tazpod/passphrase' },
        prepare: `printf wrong >/home/tazpod/passphrase; chmod 0400 /home/tazpod/passphrase`,
      },
      says: /cannot read the passphrase file \/home\/tazpod\/passphrase as root/,
    },
    {
      name: 'for a vault that is cut off',
      vault: async () => (await defaultVault()).subarray(0, 59),
      says: /too short/,
    },
    {
      name: 'for a vault with a bit changed',
      required: true,
      vault: async () => {
        const sealed = Buffer.from(await defaultVault());
        sealed.writeUInt8(sealed.readUInt8(80) ^ 1, 80);
        return sealed;
      },
      says: /corrupt/,
    },
    { name: 'for a vault that is empty', vault: async () => Buffer.alloc(0), says: /too short/ },
    {
      name: 'for a vault path that is a directory',
      required: true,
      change: async ({ bundle }) => {
        await rm(vaultPath(bundle));
        await mkdir(vaultPath(bundle));
      },
      says: /cannot read the vault \/workspace\/\.tazpod\/vault\/vault\.tar\.aes: it is a directory/,
    },
    {
      name: 'for a vault that the operator may not read',
      change: async ({ bundle }) => {
        await chown(vaultPath(bundle), 0, 0);
        await chmod(vaultPath(bundle), 0o600);
      },
      says: /cannot read the vault .*permission denied/,
    },
    {
      name: 'for a vault in a directory that the operator may not enter',
      change: async ({ bundle }) => {
        await chown(join(vaultPath(bundle), '..'), 0, 0);
        await chmod(join(vaultPath(bundle), '..'), 0o700);
      },
      says: /cannot read the vault .*permission denied/,
    },
    {
      name: 'for a vault file that is a mount of its own',
      options: { prepare: `mount --bind ${VAULT_FILE} ${VAULT_FILE}` },
      says: /mount the directory that holds it/,
    },
    {
      name: 'for a vault that is larger than the enclave',
      required: true,
      vault: () => sealVault({ ...CONTENTS, large: randomBytes(200_000) }),
      options: { variables: { TAZPOD_ENCLAVE_SIZE: '64k' } },
      says: /cannot/,
    },
    {
      name: 'for a vault with an entry that would leave the enclave',
      vault: () => readFile(join(VECTORS, 'traversal-dotdot.tar.aes')),
      options: { secret: 'pw' },
      says: /cannot .*\.\.\//,
    },
    {
      name: 'for a vault whose archive is damaged',
      vault: () => readFile(join(VECTORS, 'gzip-bad-crc.tar.aes')),
      options: { secret: 'pw' },
      says: /cannot decompress the archive/,
    },
  ];

  async function prepare({ vault, change, options = {} }: Failure): Promise<{ pod: Sandbox; options: PodOptions }> {
    const pod = await createPod(await vault?.());
    await change?.(pod);
    const givesOwn = options.variables?.['TAZPOD_PASSPHRASE'] ?? options.variables?.['TAZPOD_PASSPHRASE_FILE'];
    const variables = { ...(givesOwn === undefined ? WITH_SECRET.variables : {}), ...options.variables };
    return { pod, options: { secret: PASSPHRASE, ...options, variables } };
  }

  test.each(failures)('$name is told, leaves nothing, and under `auto` a locked shell', async (failure) => {
    const { pod, options } = await prepare(failure);
    await using _ = pod;
    const running = await startPod(pod, WAIT, options);
    await running.stdout.waitFor('ready');
    expect(await traces(pod, running)).toEqual(NOTHING);
    await running.stderr.waitFor(failure.says);
    expect(running.stderr.text).not.toContain('beginning with an empty one');
    expect(await running.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ code: 18 });
  });

  test.each(failures.filter(({ required }) => required))(
    '$name ends the container under `required`, and changes no vault',
    async (failure) => {
      const { pod, options } = await prepare(failure);
      await using _ = pod;
      const before = await pod.bundle.inspect(['sha256sum', vaultPath(pod.bundle)]);
      const running = await startPod(pod, ['echo', 'the command ran'], {
        ...options,
        variables: { ...options.variables, TAZPOD_UNLOCK: 'required' },
      });
      expect(await running.exited).toEqual({ code: 125, signal: null });
      expect(await running.stdout.whole()).toBe('');
      expect(await running.stderr.whole()).toMatch(failure.says);
      expect(await remains(pod)).toEqual(NO_REMAINS);
      expect(await pod.bundle.inspect(['sha256sum', vaultPath(pod.bundle)])).toEqual(before);
    },
  );

  test('can be tried again from the shell', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT, { ...WITH_SECRET, secret: 'wrong' });
    await running.stdout.waitFor('ready');
    const again = await running.exec(['tazpod', 'unlock', '--passphrase-file', '-'], {
      user: OPERATOR,
      input: PASSPHRASE,
    });
    expect(again).toMatchObject({ code: 0 });
    expect(await readSecrets(running)).toBe(SECRETS);
  });

  test('after three wrong passphrases typed gives a locked shell', async () => {
    await using pod = await createPod();
    using terminal = await Terminal.open();
    const running = await startPod(pod, WAIT, { terminal });
    await typeWrongThreeTimes(terminal);
    await terminal.screen.waitFor('ready');
    expect(terminal.screen.text.match(/Passphrase: /g)).toHaveLength(3);
    expect(await traces(pod, running)).toEqual(NOTHING);
    running.signal('SIGTERM');
    expect(await running.exited).toEqual({ code: 143, signal: null });
  });

  test('after three wrong passphrases typed ends the container under `required`', async () => {
    await using pod = await createPod();
    using terminal = await Terminal.open();
    const running = await startPod(pod, WAIT, { terminal, variables: { TAZPOD_UNLOCK: 'required' } });
    await typeWrongThreeTimes(terminal);
    expect(await running.exited).toEqual({ code: 125, signal: null });
    const screen = await terminal.ended();
    expect(screen.match(/Passphrase: /g)).toHaveLength(3);
    expect(screen).not.toContain('ready');
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test.each([
    { unlock: 'prompt', code: 0 },
    { unlock: 'required', code: 125 },
  ])('for want of a terminal is told under `$unlock`', async ({ unlock, code }) => {
    await using pod = await createPod();
    const running = await startPod(pod, ['true'], { variables: { TAZPOD_UNLOCK: unlock } });
    expect(await running.exited).toEqual({ code, signal: null });
    expect(await running.stderr.whole()).toMatch(/there is no terminal|no terminal to ask on/);
  });
});

async function typeWrongThreeTimes(terminal: Terminal): Promise<void> {
  for (const typed of ['one', 'two', 'three']) {
    await terminal.screen.waitFor('Passphrase: ');
    terminal.type(`${typed}${KEYS.enter}`);
  }
}
