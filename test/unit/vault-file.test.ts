// The vault file: what is read as a vault.

import { execaSync } from 'execa';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';

import { fingerprintOf } from '../../lib/seal.ts';
import { beginVaultFile, fingerprintAt, readVaultFile } from '../../lib/vault-file.ts';
import { temporaryDirectory } from './directories.ts';

// Only a limit for what hangs: nothing here depends on time.
vi.setConfig({ testTimeout: 60_000 });

const AS_ROOT = process.getuid?.() === 0;

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

  test.each([0, 1, 59, 60, 4095, 4096, 4097, 3_000_000, 5_000_000])(
    'gives the beginning of %i bytes before the rest',
    async (size) => {
      using directory = temporaryDirectory();
      const path = join(directory.path, 'vault');
      const bytes = randomBytes(size);
      writeFileSync(path, bytes);
      const reading = await beginVaultFile(path);
      expect(reading?.head.equals(bytes.subarray(0, reading.head.length))).toBe(true);
      expect(reading?.head.length).toBeGreaterThanOrEqual(Math.min(size, 60));
      expect((await reading?.whole)?.equals(bytes)).toBe(true);
    },
  );

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

test('its version is known from its ends, whatever its length', async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, 'vault');
  expect(fingerprintAt(path)).toBeUndefined();
  for (const length of [0, 1, 59, 60, 61, 100, 100_000]) {
    const bytes = Buffer.from(Array.from({ length }, (_, index) => index % 251));
    writeFileSync(path, bytes);
    expect(fingerprintAt(path)).toBe(fingerprintOf(bytes));
  }
});
