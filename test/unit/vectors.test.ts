// The frozen vaults: every version of ours must open, and must refuse, exactly these. Sealed by the older Go tool and by Python.

import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test, vi } from 'vitest';

import { checkArchive } from '../../lib/check-archive.ts';
import type { Contents } from '../../lib/contents-digest.ts';
import { TazpodError, type ErrorCode } from '../../lib/errors.ts';
import { DEFAULT_LIMITS, extractArchive } from '../../lib/extract.ts';
import { listArchive } from '../../lib/list.ts';
import { packDirectory } from '../../lib/pack.ts';
import { PASSPHRASE_CACHE_NAME } from '../../lib/paths.ts';
import { deriveKey, digestKeyOf, saltOf, unseal } from '../../lib/seal.ts';

// Only a limit for what hangs: nothing here depends on time.
vi.setConfig({ testTimeout: 60_000 });

interface Expected {
  readonly path: string;
  readonly type: 'file' | 'dir' | 'symlink';
  readonly mode?: string;
  readonly size?: number;
  readonly sha256?: string;
  readonly link?: string;
}

interface Vector {
  readonly id: string;
  readonly passphrase: string;
  readonly expect: keyof typeof CODES | 'ok';
  readonly why: string;
  readonly file: string;
  readonly members?: Expected[];
  readonly optional?: Expected[];
}

const CODES = {
  'wrong-passphrase-or-corrupt': 'wrong-passphrase',
  'malformed archive': 'malformed-archive',
  'refused entry': 'refused-entry',
  'too big': 'too-big',
} as const satisfies Record<string, ErrorCode>;

const VECTORS = join(import.meta.dirname, '../vectors');
const MANIFEST = JSON.parse(readFileSync(join(VECTORS, 'manifest.json'), 'utf8')) as { readonly vectors: Vector[] };
const ENCLAVE_SIZE = '64m';

/** What unlock does with a vault's bytes; the passphrase cache is written last, over what the archive had. */
async function unlockInto(
  directory: string,
  vector: Vector,
): Promise<{ contents: Contents | undefined; digestKey: Buffer; tarGz: Buffer }> {
  const sealed = await readFile(join(VECTORS, vector.file));
  const passphrase = Buffer.from(vector.passphrase);
  const key = await deriveKey(passphrase, saltOf(sealed));
  const digestKey = digestKeyOf(key);
  const tarGz = unseal(sealed, key);
  const { contents } = await extractArchive(tarGz, { directory, limits: DEFAULT_LIMITS, digestKey });
  return { contents, digestKey, tarGz };
}

async function pathsBelow(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).sort();
}

async function found(directory: string, { path }: Expected): Promise<Expected> {
  const at = join(directory, path);
  const stats = await lstat(at);
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  if (stats.isSymbolicLink()) return { path, type: 'symlink', link: await readlink(at) };
  if (stats.isDirectory()) return { path, type: 'dir', mode };
  const sha256 = createHash('sha256')
    .update(await readFile(at))
    .digest('hex');
  return { path, type: 'file', mode, size: stats.size, sha256 };
}

async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'tazpod-vectors-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

describe('every vault of the manifest that opens', () => {
  for (const vector of MANIFEST.vectors.filter((vector) => vector.expect === 'ok')) {
    test(`${vector.id}: ${vector.why}`, async () => {
      await using directory = await temporaryDirectory();
      const { contents, digestKey, tarGz } = await unlockInto(directory.path, vector);
      const cached = vector.members?.some(({ path }) => path === PASSPHRASE_CACHE_NAME) ?? false;
      // Extraction has passed over a sealed passphrase; what is there after an unlock is the one that was used.
      expect(await pathsBelow(directory.path)).not.toContain(PASSPHRASE_CACHE_NAME);
      if (cached) await writeFile(join(directory.path, PASSPHRASE_CACHE_NAME), vector.passphrase, { mode: 0o600 });

      const members = [...(vector.members ?? []), ...(vector.optional ?? [])];
      for (const member of members)
        expect(await found(directory.path, member)).toEqual(expect.objectContaining(member));
      const directories = new Set(members.flatMap(({ path }) => parentsOf(path)));
      expect(await pathsBelow(directory.path)).toEqual(
        [...new Set([...members.map(({ path }) => path), ...directories])].sort(),
      );

      const checked = await checkArchive(tarGz, { limits: DEFAULT_LIMITS, digestKey });
      expect(checked.contents).toEqual(contents);
      const packed = await packDirectory({
        directory: directory.path,
        exclude: [PASSPHRASE_CACHE_NAME],
        limits: DEFAULT_LIMITS,
        digestKey,
      });
      expect(packed.contents).toEqual(contents);
      expect(packed.leftOut).toEqual([]);
    });
  }
});

function parentsOf(path: string): string[] {
  const components = path.split('/');
  return components.slice(1).map((_, index) => components.slice(0, index + 1).join('/'));
}

describe('every vault of the manifest that is refused', () => {
  for (const vector of MANIFEST.vectors.filter((vector) => vector.expect !== 'ok' && vector.expect !== 'too big')) {
    test(`${vector.id}: ${vector.why}`, async () => {
      await using directory = await temporaryDirectory();
      const enclave = join(directory.path, 'enclave');
      await mkdir(enclave);
      const error: unknown = await unlockInto(enclave, vector).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(TazpodError);
      expect(error).toHaveProperty('code', CODES[vector.expect as keyof typeof CODES]);
      // What was written is inside the directory that the caller empties; nothing went beside it.
      expect(
        await pathsBelow(directory.path).then((paths) => paths.filter((path) => !path.startsWith('enclave'))),
      ).toEqual([]);
      expect((await stat(directory.path)).mode & 0o777).toBe(0o700);
    });
  }

  test('a vault cut below the shortest is refused before a key is derived', async () => {
    const sealed = await readFile(join(VECTORS, 'trunc-43.tar.aes'));
    expect(() => saltOf(sealed)).toThrow(/too short/);
  });

  test('many-20k-1byte: more pages than a 64 MB tmpfs has, though few bytes', async () => {
    const vector = MANIFEST.vectors.find(({ id }) => id === 'many-20k-1byte');
    if (vector === undefined) throw new Error('the manifest has lost a vector');
    // A mount needs a namespace where we are root; what happens in it ends with it.
    const script = `
      mount -t tmpfs -o size=${ENCLAVE_SIZE},mode=0700 tmpfs "$1" && cd "$1" && exec "$2" "$3" "$4" "$5"`;
    await using directory = await temporaryDirectory();
    const program = join(import.meta.dirname, '../fixtures/extract-vault.ts');
    const result = await execa(
      'unshare',
      [
        '-Urm',
        'sh',
        '-c',
        script,
        'sh',
        directory.path,
        'node',
        program,
        join(VECTORS, vector.file),
        vector.passphrase,
      ],
      { preferLocal: true, reject: false, stdin: 'ignore' },
    );
    expect(result.stderr).toBe('');
    expect(JSON.parse(result.stdout)).toEqual({
      code: 'too-big',
      hint: expect.stringContaining('TAZPOD_ENCLAVE_SIZE'),
    });
  });
});

describe('every vault that opens', () => {
  for (const vector of MANIFEST.vectors.filter((vector) => vector.expect === 'ok')) {
    test(`${vector.id} is listed with the names that it extracts to`, async () => {
      const sealed = await readFile(join(VECTORS, vector.file));
      const tarGz = unseal(sealed, await deriveKey(Buffer.from(vector.passphrase), saltOf(sealed)));
      const names: string[] = [];
      for await (const member of listArchive(tarGz, DEFAULT_LIMITS)) names.push(member.name.toString());
      const expected = [...(vector.members ?? []), ...(vector.optional ?? [])]
        .map(({ path }) => path)
        .filter((path) => path !== PASSPHRASE_CACHE_NAME);
      expect(names.sort()).toEqual(expected.sort());
    });
  }
});
