// The second thread of an extraction: what it is given is there, and nothing more once it is stopped.

import { createCipheriv } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';

import { checkArchive } from '../../lib/check-archive.ts';
import { TazpodError } from '../../lib/errors.ts';
import { DEFAULT_LIMITS, extractArchive } from '../../lib/extract.ts';
import { SecondWriter } from '../../lib/second-writer.ts';
import { temporaryDirectory, treeOf } from './directories.ts';
import { archive, entry } from './tar-builder.ts';

// Only a limit for what hangs.
vi.setConfig({ testTimeout: 60_000 });

/** A writer that is ready, and all of whose batches are empty. */
async function ready(directory: string, givesModes = false): Promise<SecondWriter> {
  const writer = SecondWriter.begin(givesModes);
  if (!writer) throw new Error('this machine has one core only');
  while (!writer.takes(join(directory, 'first'), 0o600, 0, 0)) await setTimeout(1);
  writer.settle();
  return writer;
}

function give(writer: SecondWriter, path: string, contents: string, mode = 0o644, mtime?: number): boolean {
  if (!writer.takes(path, mode, contents.length, mtime)) return false;
  // In two pieces, as they come where one piece of an archive ends.
  writer.add(Buffer.from(contents.slice(0, 3)));
  writer.add(Buffer.from(contents.slice(3)));
  return true;
}

describe('a second writer', () => {
  test('writes names as they are, contents, modes and times', async () => {
    using directory = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    const umask = process.umask(0o077);
    try {
      using writer = await ready(directory.path, true);
      expect(give(writer, at('plain'), 'contents', 0o666, 1_500_000_000)).toBe(true);
      expect(give(writer, at('old'), 'x', 0o400, -2)).toBe(true);
      expect(give(writer, at('empty'), '', 0o644, 0)).toBe(true);
      expect(give(writer, at('timeless'), 'now')).toBe(true);
      expect(give(writer, at('b\xffytes'), 'bytes')).toBe(true);
      writer.settle();
    } finally {
      process.umask(umask);
    }
    expect(treeOf(directory.path)).toEqual([
      'b\xffytes 0644 "bytes"',
      'empty 0644 ""',
      'first 0600 ""',
      'old 0400 "x"',
      'plain 0666 "contents"',
      'timeless 0644 "now"',
    ]);
    const times = ['plain', 'old', 'empty'].map((name) => statSync(at(name)).mtimeMs / 1000);
    expect(times).toEqual([1_500_000_000, -2, 0]);
    expect(Date.now() - statSync(at('timeless')).mtimeMs).toBeLessThan(60_000);
  });

  test('refuses what is too large', async () => {
    using directory = temporaryDirectory();
    using writer = await ready(directory.path);
    expect(writer.takes(join(directory.path, 'large'), 0o600, 1_000_000, 0)).toBe(false);
  });

  test('names the first file that cannot be written, and writes none after it', async () => {
    using directory = temporaryDirectory();
    using writer = await ready(directory.path);
    const at = (name: string) => join(directory.path, name);
    writeFileSync(at('there'), 'untouched');
    for (const name of ['before', 'there', 'first', 'after']) expect(give(writer, at(name), name)).toBe(true);
    expect(() => writer.settle()).toThrow(TazpodError);
    expect(() => writer.settle()).toThrow(`cannot write "${at('there')}": file already exists`);
    expect(() => give(writer, at('later'), 'later')).toThrow(at('there'));
    expect(readdirSync(directory.path).sort()).toEqual(['before', 'first', 'there']);
    expect(readFileSync(at('there'), 'latin1')).toBe('untouched');
  });

  test('writes nothing once it is stopped', async () => {
    using directory = temporaryDirectory();
    using writer = await ready(directory.path);
    const tree = join(directory.path, 'tree');
    mkdirSync(tree);
    // As many as it takes at once, and more.
    for (let index = 0; index < 2000; index++) give(writer, join(tree, `file-${index}`), 'x'.repeat(1000));
    writer[Symbol.dispose]();
    rmSync(tree, { recursive: true });
    await setTimeout(100);
    expect(readdirSync(directory.path)).toEqual(['first']);
  });
});

describe('an extraction of many small files', () => {
  const digestKey = Buffer.alloc(32, 7);
  /** Contents that do not compress: an archive of some megabytes is extracted by two threads. */
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(8_000_000));
  const COUNT = 8000;
  const files = Array.from({ length: COUNT }, (_, index) => ({
    name: `d-${Math.floor(index / 50)}/\xff-${index}`,
    body: noise.subarray(index * 1000, index * 1000 + (index % 1000)),
    mode: 0o600 + (index % 64),
  }));
  const entries = files.map(({ name, ...rest }) => entry({ name: Buffer.from(name, 'latin1'), ...rest }));

  test('gives all of them, as they are', async () => {
    using directory = temporaryDirectory();
    const tarGz = archive(...entries);
    const options = { limits: DEFAULT_LIMITS, digestKey };
    const extracted = await extractArchive(tarGz, { directory: directory.path, ...options });
    expect(extracted).toMatchObject({ entries: COUNT + COUNT / 50, bytes: 8 * 999 * 500 });
    expect(extracted.contents).toEqual((await checkArchive(tarGz, options)).contents);
    const expected = files.map(
      ({ name, body, mode }) => `${name} 0${mode.toString(8)} ${JSON.stringify(body.toString('latin1'))}`,
    );
    const tree = treeOf(directory.path).filter((line) => !line.endsWith('/ 0755'));
    expect(tree).toEqual(expected.sort());
  });

  test('replaces files and links to files that are on their way', async () => {
    const parts = [...entries];
    for (let index = 0; index < 100; index++) {
      parts.push(
        entry({ name: `x/file-${index}`, body: `first ${index}` }),
        entry({ name: `x/link-${index}`, type: '1', target: `x/file-${index}` }),
        entry({ name: `x/file-${index}`, body: `last ${index}` }),
      );
    }
    using directory = temporaryDirectory();
    await extractArchive(archive(...parts), { directory: directory.path, limits: DEFAULT_LIMITS });
    const expected = Array.from({ length: 100 }, (_, index) => [
      `file-${index} 0644 "last ${index}"`,
      `link-${index} 0644 "first ${index}"`,
    ]);
    expect(treeOf(join(directory.path, 'x'))).toEqual(expected.flat().sort());
  });

  test('leaves a tree that can be removed at once when it fails', async () => {
    using directory = temporaryDirectory();
    const tree = join(directory.path, 'tree');
    mkdirSync(tree);
    const extracting = extractArchive(archive(...entries, entry({ name: '../evil' })), {
      directory: tree,
      limits: DEFAULT_LIMITS,
    });
    await expect(extracting).rejects.toMatchObject({ code: 'refused-entry' });
    rmSync(tree, { recursive: true });
    await setTimeout(50);
    expect(lstatSync(tree, { throwIfNoEntry: false })).toBeUndefined();
  });
});
