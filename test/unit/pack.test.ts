// Packing: what is saved, what is left out, and that other tools and extraction see the same.

import { execaSync } from 'execa';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';

import { checkArchive } from '../../lib/check-archive.ts';
import { DEFAULT_LIMITS, extractArchive } from '../../lib/extract.ts';
import { listArchive } from '../../lib/list.ts';
import { packDirectory } from '../../lib/pack.ts';
import { temporaryDirectory, treeOf } from './directories.ts';

// Only a limit for what hangs: nothing here depends on time.
vi.setConfig({ testTimeout: 60_000 });

const digestKey = Buffer.alloc(32, 7);
const limits = DEFAULT_LIMITS;
const AS_ROOT = process.getuid?.() === 0;

async function pack(directory: string, options: { exclude?: string[]; limits?: typeof limits } = {}) {
  const packed = await packDirectory({ directory, exclude: [], limits, digestKey, ...options });
  return { ...packed, archive: Buffer.concat(packed.archive) };
}

/** Packs, extracts, and checks that both agree; gives what is there then. */
async function roundTrip(directory: string): Promise<{ tree: string[]; leftOut: { name: string; reason: string }[] }> {
  using target = temporaryDirectory();
  const { archive, contents, leftOut } = await pack(directory);
  const extracted = await extractArchive(archive, { directory: target.path, limits, digestKey });
  expect(extracted.contents).toEqual(contents);
  expect((await pack(target.path)).contents).toEqual(contents);
  return { tree: treeOf(target.path), leftOut };
}

/** A directory with one of everything that belongs into a vault. */
function sample(): ReturnType<typeof temporaryDirectory> {
  const directory = temporaryDirectory();
  const at = (name: string) => join(directory.path, name);
  mkdirSync(at('.aws'), { mode: 0o700 });
  writeFileSync(at('.aws/credentials'), '[default]\n', { mode: 0o600 });
  mkdirSync(at('empty'));
  mkdirSync(at('long'.repeat(40)));
  writeFileSync(at(`${'long'.repeat(40)}/${'name'.repeat(50)}`), 'long');
  writeFileSync(at('größe-密码-🔑'), 'unicode');
  writeFileSync(Buffer.concat([Buffer.from(`${directory.path}/`), Buffer.from([0x66, 0xff, 0x0a, 0x3d])]), 'bytes');
  writeFileSync(at('n'.repeat(99)), '99');
  writeFileSync(at('n'.repeat(100)), '100');
  writeFileSync(at('big'), Buffer.alloc(700_000, 'abc'));
  symlinkSync('.aws/credentials', at('link'));
  symlinkSync('x'.repeat(300), at('long-link'));
  symlinkSync('empty/../big', at('a-winding-link'));
  linkSync(at('big'), at('big-again'));
  chmodSync(at('empty'), 0o1755);
  return directory;
}

const BYTES = { encoding: 'buffer', stripFinalNewline: false } as const;

describe('a directory that is packed and extracted', () => {
  test('is the same, but for setuid, setgid and sticky bits', async () => {
    using directory = sample();
    const before = treeOf(directory.path).map((line) => line.replace('empty/ 1755', 'empty/ 0755'));
    expect(await roundTrip(directory.path)).toEqual({ tree: before, leftOut: [] });
  });

  test('keeps times in whole seconds and hard links', async () => {
    using directory = sample();
    using target = temporaryDirectory();
    utimesSync(join(directory.path, 'big'), new Date(-1500), new Date(-1500));
    utimesSync(join(directory.path, 'empty'), 1.9, 1_600_000_000.9);
    const { archive } = await pack(directory.path);
    await extractArchive(archive, { directory: target.path, limits, digestKey });
    const made = (name: string) => statSync(join(target.path, name));
    expect(made('big').mtimeMs).toBe(-2000);
    expect(made('empty').mtimeMs).toBe(1_600_000_000_000);
    expect(made('big').ino).toBe(made('big-again').ino);
  });

  test('gives the same bytes each time', async () => {
    using directory = sample();
    const [one, other] = [await pack(directory.path), await pack(directory.path)];
    expect(one.archive.equals(other.archive)).toBe(true);
  });

  test('has the same digest with the empty .aws that every unlock makes, another with anything in it', async () => {
    using directory = temporaryDirectory();
    writeFileSync(join(directory.path, 'note'), 'note');
    const { contents } = await pack(directory.path);
    expect(contents).toMatchObject({ entries: 1, bytes: 4 });
    mkdirSync(join(directory.path, '.aws'), { mode: 0o700 });
    expect((await pack(directory.path)).contents).toEqual(contents);
    writeFileSync(join(directory.path, '.aws/config'), '');
    const after = (await pack(directory.path)).contents;
    expect(after).toMatchObject({ entries: 3, bytes: 4 });
    expect(after.digest).not.toBe(contents.digest);
  });

  test('of which a file was only touched has the same digest', async () => {
    using directory = sample();
    const { contents } = await pack(directory.path);
    utimesSync(join(directory.path, 'big'), 1, 1);
    expect((await pack(directory.path)).contents).toEqual(contents);
    appendFileSync(join(directory.path, 'big'), '.');
    const after = (await pack(directory.path)).contents;
    // It has two names.
    expect(after).toMatchObject({ entries: contents.entries, bytes: contents.bytes + 2 });
    expect(after.digest).not.toBe(contents.digest);
  });

  test('may be empty', async () => {
    using directory = temporaryDirectory();
    expect(await roundTrip(directory.path)).toEqual({ tree: [], leftOut: [] });
  });

  test('has its excluded names at the top only', async () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'd'));
    for (const name of ['.vault_pass', 'd/.vault_pass', 'copy']) writeFileSync(join(directory.path, name), name);
    linkSync(join(directory.path, '.vault_pass'), join(directory.path, 'another-name'));
    const { archive, leftOut } = await pack(directory.path, { exclude: ['.vault_pass'] });
    expect(leftOut).toEqual([]);
    const names: string[] = [];
    for await (const { name } of listArchive(archive, limits)) names.push(name.toString());
    expect(names).toEqual(['another-name', 'copy', 'd', 'd/.vault_pass']);
  });
});

describe('what cannot be in a vault is left out and named', () => {
  test('links that lead out, sockets, fifos, and an .aws that is a file', async () => {
    using directory = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    writeFileSync(at('kept'), 'kept');
    writeFileSync(at('.aws'), 'not a directory');
    symlinkSync('/etc/passwd', at('absolute'));
    symlinkSync('../outside', at('leading-out'));
    symlinkSync('kept', at('link'));
    mkdirSync(at('d'));
    symlinkSync('..', at('d/up'));
    symlinkSync('d/up/../outside', at('chain'));
    execaSync('mkfifo', [at('fifo\u001b[2J')]);
    const server = createServer().listen(at('socket'));
    try {
      const { tree, leftOut } = await roundTrip(directory.path);
      expect(tree).toEqual(['d/ 0755', 'd/up -> ..', 'kept 0644 "kept"', 'link -> kept']);
      expect(leftOut).toEqual([
        { name: '.aws', reason: 'it must be a directory' },
        { name: 'absolute', reason: 'it is a link to an absolute path' },
        { name: String.raw`fifo\x1b[2J`, reason: 'it is a fifo' },
        { name: 'leading-out', reason: 'it is a link that leads out' },
        { name: 'socket', reason: 'it is a socket' },
        { name: 'chain', reason: 'it is a link that leads out through another link' },
      ]);
    } finally {
      server.close();
    }
  });

  test('links that wind through each other or themselves', async () => {
    using directory = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    mkdirSync(at('d'));
    symlinkSync('other/../x', at('d/one'));
    symlinkSync('one/../x', at('d/other'));
    symlinkSync('self/../x', at('self'));
    symlinkSync('d/../x', at('sound'));
    const { tree, leftOut } = await roundTrip(directory.path);
    expect(tree).toEqual(['d/ 0755', 'sound -> d/../x']);
    expect(leftOut.map(({ name }) => name)).toEqual(['d/one', 'd/other', 'self']);
  });

  test('files that are larger than the vault, and those for which no room is left', async () => {
    using directory = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    writeFileSync(at('a'), Buffer.alloc(600));
    writeFileSync(at('b'), Buffer.alloc(600));
    writeFileSync(at('c'), Buffer.alloc(400));
    writeFileSync(at('sparse'), '');
    truncateSync(at('sparse'), 2 ** 40);
    const small = { contents: 1000, entries: 3 };
    const { archive, contents, leftOut } = await pack(directory.path, { limits: small });
    expect(leftOut.map(({ name }) => name)).toEqual(['b', 'sparse']);
    expect(await checkArchive(archive, { limits: small, digestKey })).toMatchObject({ contents, bytes: 1000 });
  });

  test('entries beyond the number that a vault may have', async () => {
    using directory = temporaryDirectory();
    for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(directory.path, name), name);
    const few = { contents: 1000, entries: 3 };
    const { archive, leftOut } = await pack(directory.path, { limits: few });
    expect(leftOut.map(({ name }) => name)).toEqual(['d']);
    await checkArchive(archive, { limits: few, digestKey });
  });

  test.runIf(AS_ROOT)('devices, which root may have made there', async () => {
    using directory = temporaryDirectory();
    for (const [name, type] of [
      ['block', 'b'],
      ['character', 'c'],
    ] as const)
      execaSync('mknod', [join(directory.path, name), type, '1', '3']);
    const { archive, leftOut } = await pack(directory.path);
    expect(leftOut).toEqual(['block', 'character'].map((name) => ({ name, reason: 'it is a device' })));
    expect(await checkArchive(archive, { limits, digestKey })).toMatchObject({ entries: 0 });
  });

  test.runIf(AS_ROOT)('another file system that is mounted inside', async () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'mounted'));
    const program = join(import.meta.dirname, '../fixtures/pack-directory.ts');
    const script = 'mount -t tmpfs tmpfs "$1/mounted" && : >"$1/mounted/file" && exec node "$2" "$1"';
    const { stdout } = execaSync('unshare', ['-m', 'sh', '-c', script, 'sh', directory.path, program], {
      preferLocal: true,
    });
    expect(JSON.parse(stdout)).toEqual({
      entries: [],
      leftOut: [{ name: 'mounted', reason: 'another file system is mounted there' }],
    });
  });
});

describe('files that forbid reading', () => {
  /** Packs as an operator, who unlike root is bound by permission bits. */
  function packAsOperator(directory: string): { entries: string[]; leftOut: { name: string; reason: string }[] } {
    const program = join(import.meta.dirname, '../fixtures/pack-directory.ts');
    const identity = AS_ROOT ? { uid: 1000, gid: 1000 } : {};
    const { stdout } = execaSync('node', [program, directory], { preferLocal: true, ...identity });
    return JSON.parse(stdout) as ReturnType<typeof packAsOperator>;
  }

  test('to their own owner are saved, and forbid it still afterwards', () => {
    using directory = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    mkdirSync(at('no-search'));
    mkdirSync(at('no-list'));
    for (const name of ['none', 'write-only', 'no-search/file', 'no-list/file']) writeFileSync(at(name), name);
    const modes = { none: 0o000, 'write-only': 0o200, 'no-search': 0o600, 'no-list': 0o300 };
    if (AS_ROOT)
      for (const name of ['', 'no-search/file', 'no-list/file', ...Object.keys(modes)]) chownSync(at(name), 1000, 1000);
    for (const [name, mode] of Object.entries(modes)) chmodSync(at(name), mode);
    expect(packAsOperator(directory.path)).toEqual({
      entries: [
        'no-list directory 300',
        'no-list/file file 644',
        'no-search directory 600',
        'no-search/file file 644',
        'none file 0',
        'write-only file 200',
      ],
      leftOut: [],
    });
    for (const [name, mode] of Object.entries(modes)) expect(statSync(at(name)).mode & 0o7777).toBe(mode);
  });

  test.runIf(AS_ROOT)('because they are somebody else’s are left out and named', () => {
    using directory = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    chownSync(directory.path, 1000, 1000);
    mkdirSync(at('directory'), { mode: 0o700 });
    writeFileSync(at('directory/file'), '');
    writeFileSync(at('file'), '', { mode: 0o600 });
    expect(packAsOperator(directory.path)).toEqual({
      entries: [],
      leftOut: [
        { name: 'directory', reason: 'permission denied' },
        { name: 'file', reason: 'permission denied' },
      ],
    });
  });
});

describe('while somebody writes', () => {
  test('every archive is whole, and each file in it has the bytes that its size says', async () => {
    using directory = temporaryDirectory();
    const names = Array.from({ length: 20 }, (_, index) => join(directory.path, `f${index}`));
    for (const name of names) writeFileSync(name, 'a'.repeat(5000));
    // Grows, shrinks, replaces and removes files as fast as it can, from another process.
    const program = join(import.meta.dirname, '../fixtures/busy-writer.ts');
    const { execa } = await import('execa');
    const writer = execa('node', [program, directory.path], { preferLocal: true, stdin: 'ignore', reject: false });
    try {
      await new Promise((resolve) => writer.stdout.once('data', resolve));
      for (let round = 0; round < 100; round += 1) {
        const { archive, contents } = await pack(directory.path);
        expect(await checkArchive(archive, { limits, digestKey })).toMatchObject({ contents });
      }
    } finally {
      writer.kill();
      await writer;
    }
  });
});

describe('other tools', () => {
  test('GNU tar lists and extracts what is packed', async () => {
    using directory = sample();
    using target = temporaryDirectory();
    const { archive } = await pack(directory.path);
    const listed = execaSync('tar', ['-tzf', '-', '--quoting-style=literal'], { input: archive, encoding: 'buffer' });
    expect(Buffer.from(listed.stdout).toString('latin1')).toContain('f\xff\n=\n');
    // It does not know POSIX's word for names that are not UTF-8, and says so, but needs no telling.
    const complaints = Buffer.from(listed.stderr).toString().split('\n');
    expect(complaints.filter((line) => !line.includes("'hdrcharset'"))).toEqual([]);
    execaSync('tar', ['-xzpf', '-', '-C', target.path, '--no-same-owner'], { input: archive });
    const expected = treeOf(directory.path).map((line) => line.replace('empty/ 1755', 'empty/ 0755'));
    expect(treeOf(target.path)).toEqual(expected);
  });

  test('Python reads what is packed', async () => {
    using directory = sample();
    const { archive, entries } = await pack(directory.path);
    const script =
      'import sys,tarfile,io\nt=tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()))\nprint(len(t.getmembers()), sum(m.size for m in t))';
    const { stdout } = execaSync('python3', ['-c', script], { input: archive });
    const bytes = (await checkArchive(archive, { limits, digestKey })).bytes;
    expect(stdout).toBe(`${entries} ${bytes}`);
  });

  test.each(['v7', 'oldgnu', 'gnu', 'ustar', 'posix'])('GNU tar’s format %s opens', async (format) => {
    using directory = temporaryDirectory();
    using target = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    mkdirSync(at('d'.repeat(60)));
    writeFileSync(at(`${'d'.repeat(60)}/${'f'.repeat(format === 'v7' ? 30 : 90)}`), 'long');
    writeFileSync(at('caf\u00e9'), 'x', { mode: 0o640 });
    symlinkSync('café', at('link'));
    linkSync(at('café'), at('hard'));
    const tar = execaSync('tar', ['-czf', '-', `--format=${format}`, '-C', directory.path, '.'], BYTES);
    await extractArchive(Buffer.from(tar.stdout), { directory: target.path, limits, digestKey });
    expect(treeOf(target.path)).toEqual(treeOf(directory.path));
  });

  test.each(['USTAR_FORMAT', 'GNU_FORMAT', 'PAX_FORMAT'])('Python’s %s opens', async (format) => {
    using directory = temporaryDirectory();
    using target = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    mkdirSync(at('d'.repeat(60)), { mode: 0o710 });
    writeFileSync(at(`${'d'.repeat(60)}/${'f'.repeat(90)}`), 'long');
    writeFileSync(at('café'), 'x', { mode: 0o400 });
    symlinkSync('café', at('link'));
    const script = `import sys,tarfile\nt=tarfile.open(fileobj=sys.stdout.buffer,mode='w|gz',format=tarfile.${format})\nt.add(sys.argv[1],'.')\nt.close()`;
    const tar = execaSync('python3', ['-c', script, directory.path], BYTES);
    await extractArchive(Buffer.from(tar.stdout), { directory: target.path, limits, digestKey });
    expect(treeOf(target.path)).toEqual(treeOf(directory.path));
  });
});

test('a directory that cannot be read is an error that names it', async () => {
  await expect(pack('/no/such/directory')).rejects.toMatchObject({
    code: 'configuration',
    message: 'cannot read the directory /no/such/directory: no such file or directory',
  });
});

test('the archive says nothing of who made it', async () => {
  using directory = temporaryDirectory();
  writeFileSync(join(directory.path, 'f'), '');
  chownSync(join(directory.path, 'f'), process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  const { archive } = await pack(directory.path);
  expect(archive.readUInt32LE(4)).toBe(0);
  const header = gunzipSync(archive).subarray(0, 512);
  expect([header.toString('latin1', 108, 116), header.toString('latin1', 116, 124)]).toEqual([
    '000000 \0',
    '000000 \0',
  ]);
  expect(header.subarray(265, 329).every((byte) => byte === 0)).toBe(true);
  expect(readFileSync(join(directory.path, 'f'), 'utf8')).toBe('');
});
