// Extraction: one test for each attack on the archive, and one for each thing that other tools write.

import { linkSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';

import { checkArchive } from '../../lib/check-archive.ts';
import { TazpodError } from '../../lib/errors.ts';
import { DEFAULT_LIMITS, extractArchive, type ArchiveLimits } from '../../lib/extract.ts';
import { temporaryDirectory, treeOf } from './directories.ts';
import { withoutRoom } from './without-room.ts';
import { archive, END, entry, pax } from './tar-builder.ts';

// Only a limit for what hangs: nothing here depends on time.
vi.setConfig({ testTimeout: 60_000 });

const digestKey = Buffer.alloc(32, 7);

/** Extracts into `enclave` of a new directory; `outside` beside it must stay as it was. */
async function extract(tarGz: Buffer, limits: ArchiveLimits = DEFAULT_LIMITS): Promise<string[]> {
  using directory = temporaryDirectory();
  const enclave = join(directory.path, 'enclave');
  mkdirSync(enclave);
  mkdirSync(join(directory.path, 'outside'));
  writeFileSync(join(directory.path, 'outside', 'file'), 'untouched');
  const outcomeOf = (reading: Promise<unknown>) => reading.catch((error: unknown) => error);
  const outcome = await outcomeOf(extractArchive(tarGz, { directory: enclave, limits, digestKey }));
  expect(withoutRoom(await outcomeOf(checkArchive(tarGz, { limits, digestKey })))).toEqual(outcome);
  const beside = treeOf(directory.path).filter((line) => !line.startsWith('enclave/'));
  expect(beside).toEqual(['outside/ 0755', 'outside/file 0644 "untouched"']);
  if (outcome instanceof Error) throw outcome;
  return treeOf(enclave);
}

async function refusal(tarGz: Buffer, limits?: ArchiveLimits): Promise<TazpodError> {
  const error: unknown = await extract(tarGz, limits).catch((error: unknown) => error);
  if (error instanceof TazpodError) return error;
  throw error instanceof Error ? error : new Error('the archive was accepted');
}

const bad = { code: 'malformed-archive' };
const refused = (name: string, reason: string) => ({
  code: 'refused-entry',
  message: `cannot accept the entry "${name}": ${reason}`,
});

describe('a name that must not be written is refused', () => {
  test.each([
    ['absolute', '/etc/passwd', 'its name is absolute'],
    ['absolute with two slashes', '//etc/passwd', 'its name is absolute'],
    ['with ..', '../evil', 'its name leads out'],
    ['with .. further down', 'a/../../evil', 'its name leads out'],
    ['with .. that would stay inside', 'a/../b', 'its name leads out'],
    ['only ..', '..', 'its name leads out'],
    ['hidden behind a dot', './../evil', 'its name leads out'],
    ['into the passphrase cache and out again', '.vault_pass/../../evil', 'its name leads out'],
    ['empty', '', 'its name is empty'],
    ['the top directory as a file', '.', 'it would replace the top directory'],
  ])('%s', async (_, name, reason) => {
    expect(await refusal(archive(entry({ name, body: 'x' })))).toMatchObject(refused(name, reason));
  });

  test('with a NUL in the middle', async () => {
    const tar = archive(pax({ path: 'good\0evil' }), entry({ name: 'x' }));
    expect(await refusal(tar)).toMatchObject(refused(String.raw`good\x00evil`, 'its name holds a NUL'));
  });

  test('with a NUL in the middle of a GNU long name', async () => {
    const tar = archive(entry({ name: '././@LongLink', type: 'L', body: 'good\0evil\0' }), entry({ name: 'x' }));
    expect(await refusal(tar)).toMatchObject({ code: 'refused-entry' });
  });

  test('a component longer than a name may be', async () => {
    const tar = archive(pax({ path: 'n'.repeat(256) }), entry({}));
    expect(await refusal(tar)).toMatchObject({ code: 'refused-entry' });
  });

  test('longer than a path may be', async () => {
    const tar = archive(pax({ path: 'dir/'.repeat(1024) + 'x' }), entry({}));
    expect(await refusal(tar)).toMatchObject({ code: 'refused-entry' });
  });

  test('shown by its beginning where it is longer than any name can be', async () => {
    for (const tar of [
      archive(pax({ path: '\xff'.repeat(100_000) }), entry({})),
      archive(pax({ path: 'n'.repeat(100_000) }), entry({ type: 'S' })),
    ]) {
      const { message } = await refusal(tar);
      expect(message.length).toBeLessThan(5000);
      expect(message).toMatch(/^cannot accept the entry "[^"]*…" \(\d+ bytes\): /);
    }
  });

  test('shown without its control characters', async () => {
    const { message } = await refusal(archive(entry({ name: '/\x1b[2J\u202egpj\n' })));
    expect(message).toBe(String.raw`cannot accept the entry "/\x1b[2J\u{202e}gpj\x0a": its name is absolute`);
  });
});

describe('beside a file that was just made', () => {
  const before = [entry({ name: 'd/a', body: 'a' }), entry({ name: 'd/b', body: 'b' })];

  test.each([
    ['d/..', 'its name leads out'],
    ['d/../c', 'its name leads out'],
    ['d/c/..', 'its name leads out'],
    ['d/b/c', 'its parent is not a directory'],
    ['/d/c', 'its name is absolute'],
    ['d/.', 'it would replace a directory that is not empty'],
  ])('%s is refused as anywhere', async (name, reason) => {
    expect(await refusal(archive(...before, entry({ name, body: 'x' })))).toMatchObject(refused(name, reason));
  });

  test.each([
    ['with a NUL', 'd/c\0c'],
    ['longer than a name may be', `d/${'c'.repeat(256)}`],
  ])('a name %s is refused as anywhere', async (_, path) => {
    expect(await refusal(archive(...before, pax({ path }), entry({})))).toMatchObject({ code: 'refused-entry' });
  });

  test('names are read as anywhere', async () => {
    const tar = archive(
      ...before,
      entry({ name: 'd//c', body: 'c' }),
      entry({ name: 'd/./e', body: 'e' }),
      entry({ name: 'd/..f', body: 'f' }),
      entry({ name: 'd/.g', body: 'g' }),
      entry({ name: 'd/h/', type: '0' }),
      entry({ name: 'd/h/i', body: 'i' }),
      entry({ name: 'dd', body: 'dd' }),
      entry({ name: 'd/b', body: 'other' }),
    );
    expect(await extract(tar)).toEqual([
      'd/ 0755',
      'd/..f 0644 "f"',
      'd/.g 0644 "g"',
      'd/a 0644 "a"',
      'd/b 0644 "other"',
      'd/c 0644 "c"',
      'd/e 0644 "e"',
      'd/h/ 0644',
      'd/h/i 0644 "i"',
      'dd 0644 "dd"',
    ]);
  });

  test('it counts, too', async () => {
    expect(await refusal(archive(...before), { contents: 1, entries: 10 })).toMatchObject({ code: 'too-big' });
    expect(await refusal(archive(...before), { contents: 2, entries: 2 })).toMatchObject({ code: 'too-big' });
  });
});

describe('a link that leads out is refused', () => {
  test.each([
    ['absolute', 'l', '/etc'],
    ['parent of the top', 'l', '..'],
    ['further up than it is deep', 'a/b/l', '../../../outside'],
    ['down and further up', 'l', 'a/../../outside'],
    ['to nothing', 'l', ''],
  ])('%s', async (_, name, target) => {
    expect(await refusal(archive(entry({ name, type: '2', target })))).toMatchObject({ code: 'refused-entry' });
  });

  test('with a NUL in its target', async () => {
    const tar = archive(pax({ linkpath: 'a\0/../..' }), entry({ name: 'l', type: '2' }));
    expect(await refusal(tar)).toMatchObject(refused('l', 'its target holds a NUL'));
  });

  test('through another link, made before', async () => {
    const tar = archive(
      entry({ name: 'deep/er', type: '5' }),
      entry({ name: 'deep/er/top', type: '2', target: '../..' }),
      entry({ name: 'l', type: '2', target: 'deep/er/top/../outside' }),
    );
    expect(await refusal(tar)).toMatchObject(refused('l', 'it is a link that leads out through another link'));
  });

  test('through another link, made after', async () => {
    const tar = archive(
      entry({ name: 'l', type: '2', target: 'x/y/../outside' }),
      entry({ name: 'x/y', type: '2', target: '..' }),
    );
    expect(await refusal(tar)).toMatchObject(refused('l', 'it is a link that leads out through another link'));
  });

  test('through a directory that a later entry of its name makes a link', async () => {
    const tar = archive(
      entry({ name: 'd/e', type: '5' }),
      entry({ name: 'l', type: '2', target: 'd/e/../x' }),
      entry({ name: 'd/e', type: '2', target: '.' }),
    );
    expect(await refusal(tar)).toMatchObject(refused('l', 'it is a link that leads out through another link'));
  });
});

describe('nothing is written through a link', () => {
  test('a file below a link to a directory of the archive', async () => {
    const tar = archive(
      entry({ name: 'd', type: '5' }),
      entry({ name: 'l', type: '2', target: 'd' }),
      entry({ name: 'l/file', body: 'x' }),
    );
    expect(await refusal(tar)).toMatchObject(refused('l/file', 'it would be written through a symbolic link'));
  });

  test('a file of the name of a link replaces the link', async () => {
    const tar = archive(
      entry({ name: 'target', body: 'kept' }),
      entry({ name: 'l', type: '2', target: 'target' }),
      entry({ name: 'l', body: 'new' }),
    );
    expect(await extract(tar)).toEqual(['l 0644 "new"', 'target 0644 "kept"']);
  });

  test('a directory of the name of a link replaces the link', async () => {
    const tar = archive(
      entry({ name: 'd', type: '5', mode: 0o700 }),
      entry({ name: 'l', type: '2', target: 'd' }),
      entry({ name: 'l', type: '5', mode: 0o750 }),
      entry({ name: 'l/file', body: 'x' }),
    );
    expect(await extract(tar)).toEqual(['d/ 0700', 'l/ 0750', 'l/file 0644 "x"']);
  });

  test('a file that stands where it goes, put there by somebody else, is not opened', async () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, 'precious'), 'precious');
    mkdirSync(join(directory.path, 'enclave'));
    linkSync(join(directory.path, 'precious'), join(directory.path, 'enclave', 'file'));
    const options = { directory: join(directory.path, 'enclave'), limits: DEFAULT_LIMITS, digestKey };
    await expect(extractArchive(archive(entry({ body: 'x' })), options)).rejects.toMatchObject({ code: 'unexpected' });
    expect(readFileSync(join(directory.path, 'precious'), 'utf8')).toBe('precious');
  });
});

describe('a hard link', () => {
  test('to a file of the archive is one file with it', async () => {
    using directory = temporaryDirectory();
    const tar = archive(
      entry({ name: 'd/file', body: 'shared', mode: 0o600 }),
      entry({ name: 'link', type: '1', target: './d/file', size: 6 }),
    );
    await extractArchive(tar, { directory: directory.path, limits: DEFAULT_LIMITS, digestKey });
    expect(statSync(join(directory.path, 'link')).ino).toBe(statSync(join(directory.path, 'd/file')).ino);
    expect(treeOf(directory.path)).toEqual(['d/ 0755', 'd/file 0600 "shared"', 'link 0600 "shared"']);
  });

  test('to a symbolic link is a second link like it, which must be safe in its own place', async () => {
    const link = entry({ name: 'a/b/l', type: '2', target: '../x' });
    const good = archive(link, entry({ name: 'a/c', type: '5' }), entry({ name: 'a/c/l', type: '1', target: 'a/b/l' }));
    expect(await extract(good)).toContain('a/c/l -> ../x');
    const evil = archive(link, entry({ name: 'l', type: '1', target: 'a/b/l' }));
    expect(await refusal(evil)).toMatchObject(refused('l', 'it is a link that leads out'));
  });

  test.each([
    ['to a file outside', '../outside/file'],
    ['to an absolute path', '/etc/passwd'],
    ['to a file that comes later', 'later'],
    ['to a directory', 'd'],
    ['to a file behind a symbolic link', 's/file'],
    ['to the passphrase cache', '.vault_pass'],
    ['to nothing', ''],
  ])('%s is refused', async (_, target) => {
    const tar = archive(
      entry({ name: '.vault_pass', body: 'x' }),
      entry({ name: 'd/file' }),
      entry({ name: 's', type: '2', target: 'd' }),
      entry({ name: 'l', type: '1', target }),
      entry({ name: 'later' }),
    );
    expect(await refusal(tar)).toMatchObject({ code: 'refused-entry' });
  });

  test('whose file is replaced later keeps what it held', async () => {
    const tar = archive(
      entry({ name: 'a', body: 'old' }),
      entry({ name: 'b', type: '1', target: 'a' }),
      entry({ name: 'a', body: 'new' }),
      entry({ name: 'b', type: '1', target: 'b' }),
    );
    expect(await extract(tar)).toEqual(['a 0644 "new"', 'b 0644 "old"']);
  });
});

describe('what is no file, directory or link is refused', () => {
  test.each([
    ['a character device', '3', 'it is a device'],
    ['a block device', '4', 'it is a device'],
    ['a fifo', '6', 'it is a fifo'],
    ['a sparse file', 'S', 'it is a sparse file'],
  ])('%s', async (_, type, reason) => {
    expect(await refusal(archive(entry({ name: 'x', type })))).toMatchObject(refused('x', reason));
  });

  test('a sparse file of the POSIX format', async () => {
    const tar = archive(pax({ 'GNU.sparse.major': '1', 'GNU.sparse.name': 'x' }), entry({ name: 'x' }));
    expect(await refusal(tar)).toMatchObject(refused('x', 'it is a sparse file'));
  });

  test('a type that nobody knows', async () => {
    expect(await refusal(archive(entry({ type: 'Z' })))).toMatchObject(bad);
  });
});

describe('names that mean something to the container', () => {
  test.each(['0', '1', '2', '3', '5', '6'])('a passphrase cache of type %s is passed over', async (type) => {
    const tar = archive(
      entry({ name: './/.vault_pass', type, target: '/etc', body: type === '0' ? 'sealed' : '' }),
      entry({ name: '.vault_pass/below', body: 'x' }),
      entry({ name: 'd/.vault_pass', body: 'further down it is a name like any other' }),
    );
    expect(await extract(tar)).toEqual(['d/ 0755', 'd/.vault_pass 0644 "further down it is a name like any other"']);
  });

  test.each([
    ['file', '0', ''],
    ['symbolic link', '2', 'd'],
    ['hard link', '1', 'file'],
  ])('an .aws that is a %s is refused', async (_, type, target) => {
    const tar = archive(
      entry({ name: 'file' }),
      entry({ name: 'd', type: '5' }),
      entry({ name: './.aws', type, target }),
    );
    expect(await refusal(tar)).toMatchObject(refused('./.aws', 'it must be a directory'));
  });
});

describe('an archive that is too big is refused', () => {
  test('more contents than the target holds, by the claim of a header', async () => {
    const tar = archive(entry({ name: 'huge', size: '77777777777\0' }));
    expect(await refusal(tar)).toMatchObject({ code: 'too-big', hint: expect.stringContaining('TAZPOD_ENCLAVE_SIZE') });
  });

  test('more contents than the target holds, file by file', async () => {
    const files = Array.from({ length: 11 }, (_, index) => entry({ name: `f${index}`, body: 'x'.repeat(100) }));
    expect(await refusal(archive(...files), { contents: 1099, entries: 100 })).toMatchObject({ code: 'too-big' });
    expect(await extract(archive(...files), { contents: 1100, entries: 100 })).toHaveLength(11);
  });

  test('what a later entry replaces does not count', async () => {
    const files = Array.from({ length: 11 }, () => entry({ name: 'same', body: 'x'.repeat(100) }));
    expect(await extract(archive(...files), { contents: 100, entries: 100 })).toHaveLength(1);
  });

  test('more entries than allowed', async () => {
    const files = Array.from({ length: 11 }, (_, index) => entry({ name: `f${index}` }));
    expect(await refusal(archive(...files), { contents: 0, entries: 10 })).toMatchObject({ code: 'too-big' });
    expect(await extract(archive(...files), { contents: 0, entries: 11 })).toHaveLength(11);
  });

  test('more entries than allowed by parents that have to be made', async () => {
    const tar = archive(pax({ path: 'd/'.repeat(500) + 'file' }), entry({}));
    expect(await refusal(tar, { contents: 0, entries: 100 })).toMatchObject({ code: 'too-big' });
  });

  test('a decompression bomb of zeros behind the end', async () => {
    const tar = gzipSync(Buffer.concat([entry({}), Buffer.alloc(3 * 1024 * 1024)]));
    expect(await refusal(tar, { contents: 1000, entries: 10 })).toMatchObject({ code: 'too-big' });
  });

  test('a decompression bomb of extended headers', async () => {
    const headers = Array.from({ length: 40 }, () => pax({ comment: 'x'.repeat(100_000) }, 'g'));
    expect(await refusal(archive(...headers), { contents: 1000, entries: 10 })).toMatchObject({ code: 'too-big' });
  });
});

describe('a damaged archive is refused', () => {
  const good = archive(entry({ body: 'x' }));
  test.each([
    ['nothing at all', Buffer.alloc(0)],
    ['no gzip', Buffer.from('this is not gzip, and longer than a header')],
    ['zlib instead of gzip', deflateSync(Buffer.concat([entry({}), END]))],
    ['a gzip of nothing', gzipSync('')],
    ['cut in the gzip trailer', good.subarray(0, -1)],
    ['cut before the gzip trailer', good.subarray(0, -8)],
    ['a wrong length in the gzip trailer', Buffer.concat([good.subarray(0, -1), Buffer.from([9])])],
    ['zeros behind the gzip', Buffer.concat([good, Buffer.alloc(10)])],
    ['something behind the gzip', Buffer.concat([good, Buffer.from('trailing')])],
    ['half a gzip behind the gzip', Buffer.concat([good, good.subarray(0, 8)])],
    ['cut in a header', gzipSync(entry({}).subarray(0, 300))],
    ['cut in the contents', gzipSync(entry({ body: 'x'.repeat(600) }).subarray(0, 1000))],
    ['cut in the padding', gzipSync(entry({ body: 'x' }).subarray(0, 600))],
    ['a wrong checksum', archive(entry({ checksum: 1234 }))],
    ['a size that is no number', archive(entry({ size: '12x4' }))],
    ['a negative size', archive(entry({ size: '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff' }))],
    ['a size beyond all numbers', archive(entry({ size: '\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff' }))],
    [
      'an entry between the end blocks',
      gzipSync(Buffer.concat([entry({}), Buffer.alloc(512), entry({ name: 'b' }), END])),
    ],
    ['an extended header for nothing', archive(pax({ path: 'x' }))],
    ['an extended header of nonsense', archive(entry({ type: 'x', body: 'nonsense' }), entry({}))],
    ['an extended header with a record too long', archive(entry({ type: 'x', body: '99 path=x\n' }), entry({}))],
    ['an extended header that takes the name away', archive(pax({ path: '' }), entry({}))],
    ['an extended header with a bad size', archive(pax({ size: '-1' }), entry({}))],
    ['two extended headers for one entry', archive(pax({ path: 'a' }), pax({ path: 'b' }), entry({}))],
    [
      'two long names for one entry',
      archive(entry({ type: 'L', body: 'a' }), entry({ type: 'L', body: 'b' }), entry({})),
    ],
    ['a long name and another in PAX', archive(entry({ type: 'L', body: 'a' }), pax({ path: 'b' }), entry({}))],
    ['a global header that renames everything', archive(pax({ path: 'a' }, 'g'), entry({}))],
    ['a global header that resizes everything', archive(pax({ size: '0' }, 'g'), entry({}))],
    ['a directory with contents', archive(entry({ name: 'd/', type: '0', body: 'x'.repeat(512) }))],
    ['an extended header of megabytes', archive(pax({ comment: 'x'.repeat(2 ** 20) }), entry({}))],
  ])('%s', async (_, tarGz) => {
    expect(await refusal(tarGz)).toMatchObject(bad);
  });
});

describe('what other tools write opens', () => {
  test('without end blocks, with one, and with a whole record of padding', async () => {
    for (const end of [0, 512, 1024, 10_240]) {
      const tar = gzipSync(Buffer.concat([entry({ body: 'x' }), Buffer.alloc(end)]));
      expect(await extract(tar)).toEqual(['file 0644 "x"']);
    }
  });

  test('a gzip in several members', async () => {
    const tar = Buffer.concat([entry({ body: 'x'.repeat(1000) }), END]);
    const cuts = [0, 100, 513, 1500, tar.length];
    const members = cuts.slice(1).map((cut, index) => gzipSync(tar.subarray(cuts[index], cut)));
    expect(await extract(Buffer.concat(members))).toEqual([`file 0644 "${'x'.repeat(1000)}"`]);
  });

  test('names with dots, double slashes and slashes at the end', async () => {
    const tar = archive(
      entry({ name: './', type: '5', mode: 0o755 }),
      entry({ name: './a//b/', type: '5', mode: 0o711 }),
      entry({ name: './a/./b/file', body: 'x' }),
    );
    expect(await extract(tar)).toEqual(['a/ 0755', 'a/b/ 0711', 'a/b/file 0644 "x"']);
  });

  test('directories of the oldest archives: files whose name ends in a slash', async () => {
    const tar = archive(
      entry({ name: 'old/', type: '\0', mode: 0o700, magic: '' }),
      entry({ name: 'f', type: '\0', magic: '' }),
    );
    expect(await extract(tar)).toEqual(['f 0644 ""', 'old/ 0700']);
  });

  test('a prefix, where the format has one, and the bytes there where it has none', async () => {
    const tar = archive(
      entry({ name: 'one', prefix: 'deep' }),
      entry({ name: 'two', prefix: 'deep', magic: 'ustar  \0' }),
      entry({ name: 'three', type: '7' }),
    );
    expect(await extract(tar)).toEqual(['deep/ 0755', 'deep/one 0644 ""', 'three 0644 ""', 'two 0644 ""']);
  });

  test('GNU long names and long link targets', async () => {
    const long = `${'d'.repeat(60)}/${'f'.repeat(60)}`;
    const tar = archive(
      entry({ type: 'L', body: `${long}\0` }),
      entry({ name: long.slice(0, 100) }),
      entry({ type: 'K', body: `${long}\0` }),
      entry({ name: 'l', type: '2', target: long.slice(0, 100) }),
    );
    expect(await extract(tar)).toEqual([`${'d'.repeat(60)}/ 0755`, `${long} 0644 ""`, `l -> ${long}`].sort());
  });

  test('names that are not UTF-8, from ustar and from PAX, and names with newlines', async () => {
    const tar = archive(
      entry({ name: Buffer.from('caf\xe9', 'latin1') }),
      pax({ hdrcharset: 'BINARY', path: Buffer.from('na\xefve\n=', 'latin1') }),
      entry({ name: 'fallback' }),
    );
    expect(await extract(tar)).toEqual(['caf\xe9 0644 ""', 'na\xefve\n= 0644 ""']);
  });

  test('a size in PAX or in base 256', async () => {
    const body = Buffer.from('x'.repeat(600));
    const base256 = `\x80${'\0'.repeat(9)}\x02\x58`;
    const header = entry({ size: 0 });
    const tar = archive(
      pax({ size: '600' }),
      header,
      body,
      Buffer.alloc(424),
      entry({ name: 'b', size: base256, body }),
    );
    expect(await extract(tar)).toEqual([`b 0644 "${body.toString()}"`, `file 0644 "${body.toString()}"`]);
  });

  test('a global header with a comment', async () => {
    expect(await extract(archive(pax({ comment: 'commit 1234', mtime: '1' }, 'g'), entry({})))).toEqual([
      'file 0644 ""',
    ]);
  });

  test('sizes on links and directories, which have no contents', async () => {
    const tar = archive(
      entry({ name: 'd', type: '5', size: 4096 }),
      entry({ name: 'l', type: '2', target: 'd', size: 1 }),
      entry({}),
    );
    expect(await extract(tar)).toEqual(['d/ 0644', 'file 0644 ""', 'l -> d']);
  });
});

describe('what is written', () => {
  test('the last of several entries of one name', async () => {
    const tar = archive(
      entry({ name: 'x', body: 'first', mode: 0o755 }),
      entry({ name: 'x', type: '5' }),
      entry({ name: 'x', body: 'last', mode: 0o600 }),
      entry({ name: 'y', type: '5', mode: 0o700 }),
      entry({ name: 'y/in', body: '' }),
      entry({ name: 'y', type: '5', mode: 0o550 }),
    );
    expect(await extract(tar)).toEqual(['x 0600 "last"', 'y/ 0550', 'y/in 0644 ""']);
  });

  test('a directory with something in it is not replaced', async () => {
    const tar = archive(entry({ name: 'd/file' }), entry({ name: 'd', body: 'x' }));
    expect(await refusal(tar)).toMatchObject(refused('d', 'it would replace a directory that is not empty'));
  });

  test('a file is not a parent', async () => {
    const tar = archive(entry({ name: 'f' }), entry({ name: 'f/below' }));
    expect(await refusal(tar)).toMatchObject(refused('f/below', 'its parent is not a directory'));
  });

  test('permission bits as they are, whatever the umask; setuid, setgid and sticky never', async () => {
    const modes = [0o000, 0o400, 0o666, 0o777, 0o4755, 0o2755, 0o1644, 0o7777];
    const files = modes.map((mode) => entry({ name: `f${mode.toString(8)}`, mode }));
    const directories = modes.map((mode) => entry({ name: `d${mode.toString(8)}`, type: '5', mode }));
    const inside = modes.map((mode) => entry({ name: `d${mode.toString(8)}/file` }));
    const umask = process.umask(0o077);
    try {
      using directory = temporaryDirectory();
      await extractArchive(archive(...files, ...directories, ...inside), {
        directory: directory.path,
        limits: DEFAULT_LIMITS,
        digestKey,
      });
      for (const mode of modes) {
        for (const kind of ['f', 'd']) {
          const made = lstatSync(join(directory.path, `${kind}${mode.toString(8)}`)).mode & 0o7777;
          expect(made.toString(8)).toBe((mode & 0o777).toString(8));
        }
      }
    } finally {
      process.umask(umask);
    }
  });

  test('links inside the tree, up and down again where no link is on the way', async () => {
    const tar = archive(
      entry({ name: 'a/b/up', type: '2', target: '../../c' }),
      entry({ name: 'round', type: '2', target: 'a/b/../b/up' }),
      entry({ name: 'dangling', type: '2', target: 'no/such/../file' }),
      entry({ name: 'self', type: '2', target: 'self' }),
    );
    expect((await extract(tar)).filter((line) => line.includes('->'))).toEqual([
      'a/b/up -> ../../c',
      'dangling -> no/such/../file',
      'round -> a/b/../b/up',
      'self -> self',
    ]);
  });

  test('times of files and directories, in whole seconds, from before 1970 too', async () => {
    using directory = temporaryDirectory();
    const tar = archive(
      entry({ name: 'd', type: '5', mode: 0o700, mtime: 1_600_000_000 }),
      entry({ name: 'd/f', mtime: 1_500_000_000 }),
      pax({ mtime: '-1.5' }),
      entry({ name: 'old' }),
    );
    await extractArchive(tar, { directory: directory.path, limits: DEFAULT_LIMITS, digestKey });
    const times = ['d', 'd/f', 'old'].map((name) => statSync(join(directory.path, name)).mtimeMs / 1000);
    expect(times).toEqual([1_600_000_000, 1_500_000_000, -2]);
  });

  test('counted: entries with the parents that had to be made, bytes with hard links once', async () => {
    const tar = archive(
      entry({ name: 'a/b/file', body: '12345' }),
      entry({ name: 'l', type: '1', target: 'a/b/file' }),
    );
    const checked = await checkArchive(tar, { limits: DEFAULT_LIMITS, digestKey });
    expect(checked).toMatchObject({ entries: 4, bytes: 5 });
  });
});

describe('the digest of the contents', () => {
  const digestOf = async (...parts: Buffer[]) =>
    (await checkArchive(archive(...parts), { limits: DEFAULT_LIMITS, digestKey })).contents?.digest;

  test('is the same whatever the order, the times and the notation of names', async () => {
    const one = await digestOf(entry({ name: 'a', body: 'x' }), entry({ name: 'd/b', mtime: 5 }));
    const other = await digestOf(entry({ name: './d/b' }), entry({ name: 'a', body: 'x', mtime: 9 }));
    expect(one).toBe(other);
  });

  test('differs with every name, mode, content, type and target', async () => {
    const digests = await Promise.all([
      digestOf(),
      digestOf(entry({ name: 'a', body: 'x' })),
      digestOf(entry({ name: 'b', body: 'x' })),
      digestOf(entry({ name: 'a', body: 'y' })),
      digestOf(entry({ name: 'a', body: 'x', mode: 0o600 })),
      digestOf(entry({ name: 'a', type: '5' })),
      digestOf(entry({ name: 'a', type: '2', target: 'x' })),
      digestOf(entry({ name: 'a', type: '2', target: 'y' })),
      digestOf(entry({ name: 'a/b', type: '5' })),
      digestOf(entry({ name: 'a', type: '5' }), entry({ name: 'b', type: '5' })),
    ]);
    expect(new Set(digests).size).toBe(digests.length);
  });

  test('differs with the key', async () => {
    const tar = archive(entry({}));
    const [one, other] = await Promise.all(
      [1, 2].map((byte) => checkArchive(tar, { limits: DEFAULT_LIMITS, digestKey: Buffer.alloc(32, byte) })),
    );
    expect(one?.contents?.digest).not.toBe(other?.contents?.digest);
  });
});
