// The vault file: what is read as a vault, and that a save replaces it whole or not at all.

import { execaSync } from 'execa';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';

import { TazpodError } from '../../lib/errors.ts';
import { fingerprintOf, seal } from '../../lib/seal.ts';
import { readVaultFile, replaceVaultFile } from '../../lib/vault-file.ts';
import { temporaryDirectory } from './directories.ts';

// Only a limit for what hangs: nothing here depends on time.
vi.setConfig({ testTimeout: 60_000 });

const AS_ROOT = process.getuid?.() === 0;

const version = (contents: string) => seal(Buffer.from(contents), Buffer.alloc(32, 1), Buffer.alloc(32, 2));
const accept = async () => {};

/** Runs something as uid 1000, which permission bits bind. Calls on the thread pool take the new identity, too. */
async function asOperator<T>(act: () => Promise<T>): Promise<T> {
  process.seteuid?.(1000);
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
  }
}

describe('reading', () => {
  test('gives the bytes of the file, also behind a symbolic link', async () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, 'file'), 'bytes');
    symlinkSync('file', join(directory.path, 'link'));
    expect(await readVaultFile(join(directory.path, 'file'))).toEqual(Buffer.from('bytes'));
    expect(await readVaultFile(join(directory.path, 'link'))).toEqual(Buffer.from('bytes'));
  });

  test('gives nothing where there is no file, or not even its directory', async () => {
    using directory = temporaryDirectory();
    expect(await readVaultFile(join(directory.path, 'vault'))).toBeUndefined();
    expect(await readVaultFile(join(directory.path, 'no', 'such', 'vault'))).toBeUndefined();
  });

  test.each([
    ['a directory', (path: string) => mkdirSync(path), 'it is a directory'],
    ['a fifo', (path: string) => execaSync('mkfifo', [path]), 'it is not a regular file'],
    [
      'a link that leads nowhere',
      (path: string) => symlinkSync('gone', path),
      'it is a symbolic link that leads nowhere',
    ],
    ['a link to itself', (path: string) => symlinkSync('vault', path), 'too many symbolic links encountered'],
  ])('never takes %s for a new vault', async (_, make, reason) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    make(path);
    await expect(readVaultFile(path)).rejects.toMatchObject({
      code: 'configuration',
      message: `cannot read the vault ${path}: ${reason}`,
    });
  });

  test('never takes a file for a new vault because its directory is none', async () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, 'file'), '');
    await expect(readVaultFile(join(directory.path, 'file', 'vault'))).rejects.toMatchObject({ code: 'configuration' });
  });

  test.runIf(AS_ROOT)('never takes a file that it may not read, or may not look for, for a new vault', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    writeFileSync(path, 'bytes', { mode: 0o600 });
    chmodSync(directory.path, 0o755);
    const denied = { code: 'configuration', message: `cannot read the vault ${path}: permission denied` };
    await asOperator(() => expect(readVaultFile(path)).rejects.toMatchObject(denied));
    chmodSync(directory.path, 0o700);
    await asOperator(() => expect(readVaultFile(path)).rejects.toMatchObject(denied));
  });

  test.each([
    ['from another file system', 'mount -t tmpfs tmpfs "$1/other" && echo x >"$1/other/file"'],
    ['from the same file system', 'echo x >"$1/other/file"'],
  ])('tells of a file that is itself mounted, %s', (_, prepare) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'a vault');
    mkdirSync(join(directory.path, 'other'));
    writeFileSync(path, '');
    const program = join(import.meta.dirname, '../fixtures/read-vault.ts');
    const script = `${prepare} && mount --bind "$1/other/file" "$2" && exec node "$3" "$2"`;
    const { stdout } = execaSync('unshare', ['-Urm', 'sh', '-c', script, 'sh', directory.path, path, program], {
      preferLocal: true,
    });
    expect(JSON.parse(stdout)).toEqual({
      code: 'configuration',
      message: `cannot read the vault ${path}: it is itself a mount point, which a save cannot replace`,
      hint: 'mount the directory that holds it, not the file',
    });
  });
});

describe('replacing', () => {
  test('makes the directory (0700) and the file (0600) where there was none, and leaves nothing else', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'new', 'vault');
    await replaceVaultFile(path, version('one'), { expected: undefined, verify: accept });
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect(statSync(join(directory.path, 'new')).mode & 0o7777).toBe(0o700);
    expect(readdirSync(join(directory.path, 'new'))).toEqual(['vault']);
  });

  test('keeps the mode of the old file, whatever the umask', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one);
    chmodSync(path, 0o664);
    await replaceVaultFile(path, version('two'), { expected: fingerprintOf(one), verify: accept });
    expect(statSync(path).mode & 0o7777).toBe(0o664);
  });

  test('shows the verifier what is on disk', async () => {
    using directory = temporaryDirectory();
    const sealed = version('one');
    let readBack: Buffer | undefined;
    const verify = async (bytes: Buffer) => {
      readBack = bytes;
    };
    await replaceVaultFile(join(directory.path, 'vault'), sealed, { expected: undefined, verify });
    expect(readBack).toEqual(sealed);
    expect(readBack).not.toBe(sealed);
  });

  test('keeps the version that the session began with as .bak, through any number of saves', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const versions = ['old session', 'began', 'second', 'third'].map(version);
    const [older, began, second, third] = versions as [Buffer, Buffer, Buffer, Buffer];
    writeFileSync(`${path}.bak`, older);
    writeFileSync(path, began, { mode: 0o640 });
    const session = { began: fingerprintOf(began), verify: accept };
    await replaceVaultFile(path, second, { expected: fingerprintOf(began), ...session });
    await replaceVaultFile(path, third, { expected: fingerprintOf(second), ...session });
    expect(readFileSync(path)).toEqual(third);
    expect(readFileSync(`${path}.bak`)).toEqual(began);
    expect(statSync(`${path}.bak`).mode & 0o777).toBe(0o640);
    expect(readdirSync(directory.path).sort()).toEqual(['vault', 'vault.bak']);
  });

  test('replaces what a symbolic link leads to, not the link', async () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'elsewhere'));
    const [path, real] = [join(directory.path, 'vault'), join(directory.path, 'elsewhere', 'real')];
    const one = version('one');
    writeFileSync(real, one);
    symlinkSync(real, path);
    const two = version('two');
    await replaceVaultFile(path, two, { expected: fingerprintOf(one), verify: accept });
    expect(readlinkSync(path)).toBe(real);
    expect(readFileSync(real)).toEqual(two);
  });

  test('writes again what somebody has deleted', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const two = version('two');
    await replaceVaultFile(path, two, { expected: fingerprintOf(version('one')), verify: accept });
    expect(readFileSync(path)).toEqual(two);
  });
});

describe('a vault that changed on disk', () => {
  test.each([
    ['another version', version('theirs'), fingerprintOf(version('read before'))],
    ['one where there was none', version('theirs'), undefined],
    ['a file cut short', Buffer.from('short'), fingerprintOf(version('read before'))],
  ])('%s is not overwritten: the new one goes beside it', async (_, theirs, expected) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    writeFileSync(path, theirs);
    const ours = version('ours');
    const error: unknown = await replaceVaultFile(path, ours, { expected, verify: accept }).catch(
      (error: unknown) => error,
    );
    expect(error).toMatchObject({ code: 'conflict' });
    expect(readFileSync(path)).toEqual(theirs);
    const [conflict = '', ...others] = readdirSync(directory.path).filter((name) => name !== 'vault');
    expect(conflict).toMatch(/^vault\.conflict-\d{8}T\d{6}Z$/);
    expect(others).toEqual([]);
    expect(readFileSync(join(directory.path, conflict))).toEqual(ours);
    expect(statSync(join(directory.path, conflict)).mode & 0o777).toBe(0o600);
    expect(error instanceof TazpodError && error.hint).toContain(join(directory.path, conflict));
  });

  test('twice in one second leaves both', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    writeFileSync(path, version('theirs'));
    for (const contents of ['first', 'second', 'third']) {
      const saving = replaceVaultFile(path, version(contents), { expected: undefined, verify: accept });
      await expect(saving).rejects.toMatchObject({ code: 'conflict' });
    }
    expect(readdirSync(directory.path)).toHaveLength(4);
  });
});

describe('a save that fails', () => {
  test('because what was written does not open leaves the old vault and nothing else', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one);
    const verify = async () => {
      throw new TazpodError('wrong-passphrase', 'cannot open the vault: wrong passphrase or corrupt file');
    };
    const saving = replaceVaultFile(path, version('two'), { expected: fingerprintOf(one), verify });
    await expect(saving).rejects.toMatchObject({
      code: 'save-failed',
      message: `cannot save ${path}: cannot open the vault: wrong passphrase or corrupt file`,
    });
    expect(readFileSync(path)).toEqual(one);
    expect(readdirSync(directory.path)).toEqual(['vault']);
  });

  test('for want of space leaves the old vault and nothing else', () => {
    using directory = temporaryDirectory();
    const program = join(import.meta.dirname, '../fixtures/replace-vault.ts');
    const script = `mount -t tmpfs -o size=64k tmpfs "$1" && head -c 100 /dev/zero >"$1/vault" && node "$2" "$1/vault" 100000
      ls -A "$1"; wc -c <"$1/vault"`;
    const { stdout } = execaSync('unshare', ['-Urm', 'sh', '-c', script, 'sh', directory.path, program], {
      preferLocal: true,
    });
    const path = join(directory.path, 'vault');
    const failure = { code: 'save-failed', message: `cannot save ${path}: no space left on device` };
    expect(stdout.split('\n')).toEqual([JSON.stringify(failure), 'vault', '100']);
  });

  test.runIf(AS_ROOT)('because the directory cannot be written to leaves the old vault', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one, { mode: 0o644 });
    chmodSync(directory.path, 0o755);
    const options = { expected: fingerprintOf(one), verify: accept };
    await asOperator(() =>
      expect(replaceVaultFile(path, version('two'), options)).rejects.toMatchObject({
        code: 'save-failed',
        message: `cannot save ${path}: permission denied`,
      }),
    );
    expect(readFileSync(path)).toEqual(one);
    expect(readdirSync(directory.path)).toEqual(['vault']);
  });

  test('because the process is killed leaves the old vault, and the next save clears up', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one);
    const program = join(import.meta.dirname, '../fixtures/replace-vault.ts');
    // Killed by itself when the temporary file is whole and about to be verified.
    const killed = execaSync('node', [program, path, '1000', 'die'], { preferLocal: true, reject: false });
    expect(killed.signal).toBe('SIGKILL');
    expect(readFileSync(path)).toEqual(one);
    expect(readdirSync(directory.path)).toHaveLength(2);
    await replaceVaultFile(path, version('two'), { expected: fingerprintOf(one), verify: accept });
    expect(readdirSync(directory.path).sort()).toEqual(['vault', 'vault.bak']);
  });
});

test('temporary files of living writers, of other machines and of other programs are left alone, until they are old', async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, 'vault');
  const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0];
  const living = `${path}.tmp-${namespace}-${process.pid}-00000000`;
  const elsewhere = `${path}.tmp-1-4194304-00000000`;
  const old = `${path}.tmp-1-4194304-11111111`;
  const other = `${path}.tmp-mine`;
  for (const file of [living, elsewhere, old, other]) writeFileSync(file, '');
  utimesSync(old, 1, 1);
  utimesSync(other, 1, 1);
  await replaceVaultFile(path, version('one'), { expected: undefined, verify: accept });
  expect([living, elsewhere, old, other].map((file) => existsSync(file))).toEqual([true, true, false, true]);
});
