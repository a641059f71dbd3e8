import { mkdir, rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';

import { KEYS, Terminal } from '../../support/terminal.ts';
import { Session } from './session.ts';
import { SMALL, vector } from './tool.ts';

const FROM_INPUT = ['unlock', '--passphrase-file', '-'];

test('extracts the vault into the enclave, with its modes, and caches the passphrase there', async () => {
  await using session = await Session.begin();
  const { code, stdout, stderr } = await session.tazpod(FROM_INPUT, { input: `${SMALL.passphrase}\n` });
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toMatch(/^tazpod: unlocked: 4 entries, /);
  expect(await session.shell("cd secrets; find . -mindepth 1 -printf '%P %m %u\\n' | sort")).toBe(
    [
      '.aws 700 tazpod',
      '.aws/config 644 tazpod',
      '.aws/credentials 600 tazpod',
      '.vault_pass 600 tazpod',
      'aws_access_key_id 600 tazpod',
    ].join('\n'),
  );
  expect(await session.shell('cat secrets/.vault_pass')).toBe(SMALL.passphrase);
  expect(await session.state()).toBe('unlocked');
});

test('called by root it works as the operator, with the passphrase of its environment', async () => {
  await using session = await Session.begin();
  const environment = { TAZPOD_PASSPHRASE: SMALL.passphrase };
  const { code, stdout } = await session.tazpod(['unlock', '--json'], { environment, user: 0 });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    ok: true,
    state: 'unlocked',
    already: false,
    entries: 4,
    bytes: 232,
    new: false,
    failedHooks: [],
    waiting: [],
  });
  expect(await session.shell('stat -c %U secrets/.aws/credentials')).toBe('tazpod');
});

test('unlocked already, it says so and needs no passphrase', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('echo mine >secrets/new');
  const { code, stderr } = await session.tazpod(['unlock']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: 'tazpod: already unlocked' });
  expect(await session.shell('cat secrets/new')).toBe('mine');
});

describe('without a vault', () => {
  test('begins with an empty enclave, and warns', async () => {
    await using session = await Session.begin({});
    const { code, stderr } = await session.tazpod(FROM_INPUT, { input: 'first' });
    expect(code).toBe(0);
    expect(stderr).toMatch(/warning: there is no vault at \/workspace\/.tazpod\/vault\/vault.tar.aes/);
    expect(await session.shell('cd secrets; find . -mindepth 1 | sort')).toBe('./.aws\n./.vault_pass');
  });

  test('a typed passphrase is asked for twice', async () => {
    await using session = await Session.begin({});
    using terminal = await Terminal.open();
    const running = session.typed(terminal, ['unlock']);
    await terminal.screen.waitFor('New passphrase: ');
    terminal.type(`first${KEYS.enter}`);
    await terminal.screen.waitFor('New passphrase again: ');
    terminal.type(`first${KEYS.enter}`);
    expect((await running).exitCode).toBe(0);
    expect(await session.shell('cat secrets/.vault_pass')).toBe('first');
  });
});

test('a passphrase that is typed wrong is asked for again', async () => {
  await using session = await Session.begin();
  using terminal = await Terminal.open();
  const running = session.typed(terminal, ['unlock']);
  for (const typed of ['wrong', SMALL.passphrase]) {
    await terminal.screen.waitFor('Passphrase: ');
    terminal.type(`${typed}${KEYS.enter}`);
  }
  expect((await running).exitCode).toBe(0);
  expect(await session.state()).toBe('unlocked');
});

test('a prompt that is interrupted leaves nothing mounted', async () => {
  await using session = await Session.begin();
  using terminal = await Terminal.open();
  const running = session.typed(terminal, ['unlock']);
  await terminal.screen.waitFor('Passphrase: ');
  terminal.type(KEYS.ctrlC);
  expect((await running).exitCode).toBe(130);
  expect(await session.state()).toBe('locked');
  expect(await session.isMounted()).toBe(false);
});

describe('leaves nothing mounted after', () => {
  test.for([
    ['a wrong passphrase', { vault: SMALL.file }, 'wrong', 12, /wrong passphrase or corrupt/],
    ['an empty one', { vault: SMALL.file }, '', 11, /empty/],
    ['a truncated vault', { vault: vector('trunc-43').file }, 'x', 12, /too short/],
    ['a refused entry', { vault: vector('traversal-dotdot').file }, vector('traversal-dotdot').passphrase, 13, /\.\./],
    [
      'a vault that the enclave cannot hold',
      { vault: vector('dev-300').file, server: { ENCLAVE_SIZE: '256k' } },
      vector('dev-300').passphrase,
      13,
      /cannot/,
    ],
    [
      'an enclave of another device',
      { vault: SMALL.file, server: { WRONG_DEVICE: '1' } },
      SMALL.passphrase,
      16,
      /not what PID 1/,
    ],
    [
      'an enclave that is not RAM',
      { vault: SMALL.file, server: { ENCLAVE_KIND: 'disk' } },
      SMALL.passphrase,
      16,
      /not in RAM/,
    ],
    [
      'a PID 1 that hangs up',
      { vault: SMALL.file, server: { HANGS_UP: 'commit' } },
      SMALL.passphrase,
      17,
      /ended the connection/,
    ],
  ] as const)('%s', async ([, wishes, passphrase, expected, says]) => {
    await using session = await Session.begin(wishes);
    const { code, stderr } = await session.tazpod(FROM_INPUT, { input: passphrase });
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(/^tazpod: cannot /);
    expect(code).toBe(expected);
    expect(await session.state()).toBe('locked');
    expect(await session.isMounted()).toBe(false);
  });

  test('a vault that is a directory: it is never taken for none', async () => {
    await using session = await Session.begin();
    await rm(session.vault);
    await mkdir(session.vault);
    const { code, stderr } = await session.tazpod(FROM_INPUT, { input: 'x' });
    expect(stderr).toContain('it is a directory');
    expect(code).toBe(10);
    expect(await session.isMounted()).toBe(false);
  });

  test('having nobody to ask', async () => {
    await using session = await Session.begin();
    const { code, stderr } = await session.tazpod(['unlock']);
    expect(stderr).toContain('there is no terminal');
    expect(code).toBe(11);
    expect(await session.isMounted()).toBe(false);
  });
});
