// `tazpod vault create | list | extract | verify` on files anywhere, without PID 1.

import { randomBytes } from 'node:crypto';
import { watch } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';

import { MAIN, QUIETLY, SMALL, tazpod, temporaryDirectory, vector } from './tool.ts';

const FROM_INPUT = ['--passphrase-file', '-'];
const WITH_PASSPHRASE = { input: SMALL.passphrase };

/** A directory with something in it, and a name for a vault beside it. */
async function source() {
  const directory = await temporaryDirectory();
  const tree = join(directory.path, 'tree');
  await mkdir(join(tree, '.aws'), { recursive: true });
  await writeFile(join(tree, '.aws/credentials'), 'secret\n', { mode: 0o600 });
  await writeFile(join(tree, 'run'), '#!/bin/sh\n', { mode: 0o755 });
  await chmod(join(tree, 'run'), 0o755);
  await symlink('run', join(tree, 'link'));
  return {
    tree,
    vault: join(directory.path, 'v.tar.aes'),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function create(tree: string, vault: string, ...more: string[]) {
  return await tazpod(['vault', 'create', tree, vault, ...FROM_INPUT, ...more], WITH_PASSPHRASE);
}

async function extract(vault: string, place: string, ...more: string[]) {
  return await tazpod(['vault', 'extract', vault, place, ...FROM_INPUT, ...more], WITH_PASSPHRASE);
}

async function list(vault: string, ...more: string[]) {
  return await tazpod(['vault', 'list', vault, ...FROM_INPUT, ...more], WITH_PASSPHRASE);
}

const TRAVERSAL = vector('traversal-dotdot');
const MANY = vector('many-20k-1byte');

describe('create', () => {
  test('makes a vault of mode 0600 that extract turns into the same tree', async () => {
    await using at = await source();
    const { status, stdout, stderr } = await create(at.tree, at.vault);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toMatch(/^tazpod: created: /);
    expect((await stat(at.vault)).mode & 0o777).toBe(0o600);
    const copy = `${at.tree}-copy`;
    expect((await extract(at.vault, copy)).status).toBe(0);
    await execa('diff', ['--recursive', '--no-dereference', at.tree, copy]);
    expect((await stat(join(copy, 'run'))).mode & 0o777).toBe(0o755);
    expect((await stat(join(copy, '.aws/credentials'))).mode & 0o777).toBe(0o600);
  });

  test('replaces nothing without --force, and asks for no passphrase before it says so', async () => {
    await using at = await source();
    await cp(SMALL.file, at.vault);
    const refused = await tazpod(['vault', 'create', at.tree, at.vault]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/exists already[^]*--force/);
    expect(await readFile(at.vault)).toEqual(await readFile(SMALL.file));
    expect((await create(at.tree, at.vault, '--force')).status).toBe(0);
    expect((await list(at.vault)).stdout).toBe('.aws/\n.aws/credentials\nlink\nrun\n');
  });

  test('leaves out what no unlock would accept, names it, and exits 13 with the rest written', async () => {
    await using at = await source();
    const server = createServer().listen(join(at.tree, 'agent.sock'));
    await once(server, 'listening');
    await symlink('/etc/passwd', join(at.tree, 'away'));
    const { status, stdout, stderr } = await create(at.tree, at.vault, '--json');
    server.close();
    expect(status).toBe(13);
    expect(stderr).toMatch(/agent\.sock is left out: .+/);
    expect(stderr).toMatch(/away is left out: .+/);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      code: 'refused-entry',
      leftOut: [{ name: 'agent.sock' }, { name: 'away' }],
    });
    expect((await list(at.vault)).stdout).toBe('.aws/\n.aws/credentials\nlink\nrun\n');
  });

  test('does not put a passphrase cache into the vault', async () => {
    await using at = await source();
    await writeFile(join(at.tree, '.vault_pass'), 'canary');
    expect((await create(at.tree, at.vault)).status).toBe(0);
    expect((await list(at.vault)).stdout).not.toContain('.vault_pass');
  });

  test.for([
    [
      'a source that is missing',
      '/nonexistent/tree',
      'v',
      10,
      /cannot read the directory \/nonexistent\/tree: no such file/,
    ],
    [
      'a source that is a file',
      '/etc/passwd',
      'v',
      10,
      /cannot read the directory \/etc\/passwd: it is not a directory/,
    ],
    ['a place that is a file', '/var/empty', '/etc/passwd/v', 10, /\/etc\/passwd\/v/],
    ['a place that cannot be written', '/usr/share/doc/tar', '/proc/v', 15, /cannot save \/proc\/v/],
  ] as const)('%s', async ([, tree, vault, expected, says]) => {
    await using directory = await temporaryDirectory();
    const made = tree === '/var/empty' ? directory.path : tree;
    const { status, stderr } = await tazpod(['vault', 'create', made, vault, ...FROM_INPUT], {
      ...WITH_PASSPHRASE,
      cwd: directory.path,
    });
    expect(stderr).toMatch(says);
    expect(status).toBe(expected);
  });
});

describe('list', () => {
  test('names one member a line, directories with a slash', async () => {
    const { status, stdout, stderr } = await list(SMALL.file);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe('.aws/\n.aws/config\n.aws/credentials\naws_access_key_id\n');
  });

  test('gives type, mode and size as JSON', async () => {
    const { stdout } = await list(SMALL.file, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      members: [
        { name: '.aws', type: 'directory', mode: '0700' },
        { name: '.aws/config', type: 'file', mode: '0644', size: 93 },
        { name: '.aws/credentials', type: 'file', mode: '0600', size: 116 },
        { name: 'aws_access_key_id', type: 'file' },
      ],
    });
  });

  test('escapes what a terminal might obey', async () => {
    await using at = await source();
    await writeFile(join(at.tree, 'red\u001b[31m\nnew line'), '');
    await writeFile(Buffer.concat([Buffer.from(`${at.tree}/latin-`), Buffer.of(0xe9)]), '');
    await create(at.tree, at.vault);
    const { stdout } = await list(at.vault);
    expect(stdout).toContain('red\\x1b[31m\\x0anew line\n');
    expect(stdout).toContain('latin-\\xe9\n');
  });

  test('names nothing of an archive that turns out to be bad', async () => {
    const { status, stdout, stderr } = await tazpod(['vault', 'list', TRAVERSAL.file, ...FROM_INPUT], {
      input: TRAVERSAL.passphrase,
    });
    expect({ status, stdout }).toEqual({ status: 13, stdout: '' });
    expect(stderr).toMatch(/^tazpod: cannot .*\.\..* \(\/.*\/traversal-dotdot\.tar\.aes\)\n/);
  });

  test('ends quietly when its reader has gone', async () => {
    // The passphrase comes on descriptor 3, so that the pipeline's standard streams are its own.
    const pipeline = 'exec 3<&0; "$@" | true; exit "${PIPESTATUS[0]}"';
    const words = [process.execPath, QUIETLY, MAIN, 'vault', 'list', MANY.file, '--passphrase-fd', '3'];
    const { stderr, exitCode } = await execa('bash', ['-c', pipeline, 'bash', ...words], {
      reject: false,
      env: { TAZPOD_USER: 'root' },
      input: MANY.passphrase,
    });
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 141 });
  });

  test.for([
    ['missing', '/nonexistent/v', /no such file/],
    ['a directory', '/usr', /not a file/],
    ['a device', '/dev/zero', /not a file/],
  ] as const)('a file that is %s: 10, and the reason', async ([, path, reason]) => {
    const { status, stderr } = await list(path);
    expect(status).toBe(10);
    expect(stderr).toMatch(reason);
    expect(stderr).toContain(path);
  });
});

describe('extract', () => {
  test('fills an empty directory, and keeps its mode', async () => {
    await using directory = await temporaryDirectory();
    const place = join(directory.path, 'place');
    await mkdir(place, { mode: 0o750 });
    expect((await extract(SMALL.file, place)).status).toBe(0);
    expect((await stat(place)).mode & 0o777).toBe(0o750);
    expect(await readdir(place)).toEqual(['.aws', 'aws_access_key_id']);
  });

  test('makes a directory for its owner alone', async () => {
    await using directory = await temporaryDirectory();
    const place = join(directory.path, 'place');
    expect((await extract(SMALL.file, `${place}/`)).status).toBe(0);
    expect((await stat(place)).mode & 0o777).toBe(0o700);
  });

  test('tells as JSON what it did', async () => {
    await using directory = await temporaryDirectory();
    const place = join(directory.path, 'place');
    const { stdout, stderr } = await extract(SMALL.file, place, '--json');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ ok: true, directory: place, entries: 4, bytes: 232 });
  });

  test('touches nothing where something is', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await writeFile(join(path, 'file'), 'mine');
    await symlink(path, join(path, 'link'));
    for (const place of [path, join(path, 'file'), join(path, 'link')]) {
      const { status, stderr } = await extract(SMALL.file, place);
      expect(status).toBe(2);
      expect(stderr).toMatch(/something is there/);
    }
    expect(await readdir(path)).toEqual(['file', 'link']);
  });

  test.for([
    ['a wrong passphrase', { ...SMALL, passphrase: 'wrong' }, 12, []],
    ['a corrupt vault', vector('flip-tag-last'), 12, []],
    ['a refused entry', TRAVERSAL, 13, []],
    ['a device', vector('device-char'), 13, []],
    ['a bad gzip trailer', vector('gzip-bad-crc'), 13, []],
    ['a link that is written through', vector('symlink-write-through-dir'), 13, []],
    ['more than --max-size', vector('dev-300'), 13, ['--max-size', '100k']],
  ] as const)('leaves nothing behind after %s', async ([, { file, passphrase }, expected, more]) => {
    await using directory = await temporaryDirectory();
    const place = join(directory.path, 'place');
    const words = ['vault', 'extract', file, place, ...FROM_INPUT, ...more];
    const { status, stderr } = await tazpod(words, { input: passphrase });
    expect(stderr).toMatch(/^tazpod: cannot /);
    expect(status).toBe(expected);
    expect(await readdir(directory.path)).toEqual([]);
  });

  test.for([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('leaves nothing behind after %s', async ([signal, expected]) => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const place = join(path, 'place');
    let status: number | undefined = 0;
    // On a busy machine the signal may come when all is done: that was no interruption, so once more.
    for (let tries = 0; tries < 20 && status === 0; tries++) {
      await rm(place, { recursive: true, force: true });
      status = await extractUntil(signal, path, place);
    }
    expect(status).toBe(expected);
    expect(await readdir(path)).toEqual([]);
  });

  test('leaves nothing behind after a signal while two threads write', async () => {
    await using source = await temporaryDirectory();
    const [tree, file] = [join(source.path, 'tree'), join(source.path, 'v.tar.aes')];
    await mkdir(tree);
    // What does not compress: a vault of this size is extracted by two.
    for (let index = 0; index < 8000; index++) await writeFile(join(tree, `file-${index}`), randomBytes(1000));
    await create(tree, file);
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const place = join(path, 'place');
    let status: number | undefined = 0;
    for (let tries = 0; tries < 20 && status === 0; tries++) {
      await rm(place, { recursive: true, force: true });
      status = await extractUntil('SIGTERM', path, place, { file, passphrase: SMALL.passphrase, files: 3000 });
    }
    expect(status).toBe(143);
    expect(await readdir(path)).toEqual([]);
  });
});

describe('verify', () => {
  async function verify(file: string, passphrase: string, ...more: string[]) {
    return await tazpod(['vault', 'verify', file, ...FROM_INPUT, ...more], { input: passphrase });
  }

  test('tells how much a sound vault holds, and writes nothing', async () => {
    await using directory = await temporaryDirectory();
    const words = ['vault', 'verify', SMALL.file, ...FROM_INPUT];
    const { status, stdout, stderr } = await tazpod(words, { ...WITH_PASSPHRASE, cwd: directory.path });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toBe(`tazpod: verified: 4 entries, 232 B, in ${SMALL.file}\n`);
    expect(await readdir(directory.path)).toEqual([]);
  });

  test('tells the same as JSON', async () => {
    const { stdout, stderr } = await verify(SMALL.file, SMALL.passphrase, '--json');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ ok: true, file: SMALL.file, entries: 4, bytes: 232, room: 3 * 4096 });
  });

  test('warns of a vault that its limit allows, and no enclave of that size would hold', async () => {
    const { status, stderr } = await verify(MANY.file, MANY.passphrase);
    expect(status).toBe(0);
    expect(stderr).toMatch(/^tazpod: verified: .*\ntazpod: warning: .* an enclave of 79m \(TAZPOD_ENCLAVE_SIZE\)/);
    expect((await verify(MANY.file, MANY.passphrase, '--max-size', '79m')).stderr).not.toContain('warning');
  });

  test.for([
    ['no passphrase', SMALL, 11, ['--passphrase-file', '/nonexistent/p']],
    ['a wrong passphrase', { ...SMALL, passphrase: 'wrong' }, 12, []],
    ['a corrupt vault', vector('flip-tag-last'), 12, []],
    ['a refused entry', TRAVERSAL, 13, []],
    ['a bad gzip trailer', vector('gzip-bad-crc'), 13, []],
    ['more than --max-size', vector('dev-300'), 13, ['--max-size', '100k']],
    ['a file that is missing', { ...SMALL, file: '/nonexistent/v' }, 10, []],
  ] as const)('%s', async ([, { file, passphrase }, expected, more]) => {
    const from = expected === 11 ? [] : FROM_INPUT;
    const { status, stdout, stderr } = await tazpod(['vault', 'verify', file, ...from, ...more], { input: passphrase });
    expect(stderr).toMatch(/^tazpod: cannot /);
    expect({ status, stdout }).toEqual({ status: expected, stdout: '' });
  });
});

interface Work {
  readonly file: string;
  readonly passphrase: string;
  readonly files: number;
}

/** Sends a signal as soon as an extraction has begun, or has made so many files; gives its exit status. */
async function extractUntil(
  signal: NodeJS.Signals,
  path: string,
  place: string,
  { file, passphrase, files }: Work = { ...MANY, files: 0 },
): Promise<number | undefined> {
  // It begins with a directory beside the place: the event comes while 20 000 files are still to be written.
  const watcher = watch(path);
  const begun = once(watcher, 'change');
  const running = execa(process.execPath, [QUIETLY, MAIN, 'vault', 'extract', file, place, ...FROM_INPUT], {
    reject: false,
    detached: true,
    env: { TAZPOD_USER: 'root' },
    input: passphrase,
  });
  await begun;
  watcher.close();
  const [beside = ''] = await readdir(path);
  const made = async () => (await readdir(join(path, beside)).catch(() => undefined))?.length ?? Infinity;
  while ((await made()) < files);
  running.kill(signal);
  return (await running).exitCode;
}
