// Whatever tree an operator makes: packed, extracted and packed again it is the same tree, with the same digest.

import * as fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, linkSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { checkArchive } from '../../lib/check-archive.ts';
import { TazpodError } from '../../lib/errors.ts';
import { DEFAULT_LIMITS, extractArchive } from '../../lib/extract.ts';
import { packDirectory } from '../../lib/pack.ts';
import { temporaryDirectory, treeOf } from './directories.ts';
import { withoutRoom } from './without-room.ts';
import { archive, entry, pax } from './tar-builder.ts';

// Only a limit for what hangs: nothing here depends on time.
vi.setConfig({ testTimeout: 60_000 });

const digestKey = Buffer.alloc(32, 7);
const limits = DEFAULT_LIMITS;

/** Bytes that file names really have, and those that formats trip over: digits, `=`, newlines, dots, bytes above ASCII. */
const nameByte = fc.oneof(
  fc.constantFrom(...Buffer.from('ab.=\n 0\\')),
  fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 0x2f),
);
const name = fc
  .array(nameByte, { minLength: 1, maxLength: 120 })
  .map((bytes) => Buffer.from(bytes))
  .filter((bytes) => !['.', '..'].includes(bytes.toString('latin1')));

type Made =
  | { readonly kind: 'file'; readonly mode: number; readonly contents: Uint8Array }
  | { readonly kind: 'sparse'; readonly mode: number; readonly size: number; readonly data: Uint8Array }
  /** Another name of a file that is there. */
  | { readonly kind: 'hard link'; readonly of: number }
  | { readonly kind: 'fifo' | 'socket' }
  | { readonly kind: 'link'; readonly target: Buffer }
  | { readonly kind: 'directory'; readonly mode: number; readonly children: (readonly [Buffer, Made])[] };

const mode = fc.integer({ min: 0, max: 0o777 });
const target = fc.array(fc.oneof(fc.constantFrom(Buffer.from('..'), Buffer.from('a'), Buffer.from('.')), name), {
  minLength: 1,
  maxLength: 4,
});
const { tree } = fc.letrec<{ tree: Made }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ kind: fc.constant('file' as const), mode, contents: fc.uint8Array({ maxLength: 1500 }) }),
    fc.record({
      kind: fc.constant('sparse' as const),
      mode,
      size: fc.integer({ max: 300_000 }),
      data: fc.uint8Array({ maxLength: 100 }),
    }),
    fc.record({ kind: fc.constant('hard link' as const), of: fc.nat() }),
    fc.record({ kind: fc.constantFrom('fifo' as const, 'socket' as const) }),
    fc.record({
      kind: fc.constant('link' as const),
      target: target.map((parts) => Buffer.from(parts.map((part) => part.toString('latin1')).join('/'), 'latin1')),
    }),
    fc.record({
      kind: fc.constant('directory' as const),
      mode,
      children: fc.array(fc.tuple(name, tie('tree')), { maxLength: 5 }),
    }),
  ),
}));
const top = fc.array(fc.tuple(name, tree), { maxLength: 6 });

/** What Node cannot make by any bytes for a name gets them as another name of what it can. */
const specials = temporaryDirectory();
beforeAll(async () => {
  execFileSync('mkfifo', [join(specials.path, 'fifo')]);
  const server = createServer().listen(join(specials.path, 'socket'));
  await once(server, 'listening');
  return () => server.close();
});
afterAll(() => specials[Symbol.dispose]());

/** @param files the paths of the files made so far */
function make(at: Buffer, children: readonly (readonly [Buffer, Made])[], files: Buffer[] = []): void {
  for (const [name, made] of children) {
    const path = Buffer.concat([at, Buffer.from('/'), name]);
    rmSync(path, { recursive: true, force: true });
    switch (made.kind) {
      case 'file':
        writeFileSync(path, made.contents);
        break;
      case 'sparse':
        writeFileSync(path, made.data);
        truncateSync(path, made.size);
        break;
      case 'hard link': {
        const file = files.filter((other) => existsSync(other)).at(made.of % Math.max(files.length, 1));
        if (file !== undefined) linkSync(file, path);
        break;
      }
      case 'fifo':
      case 'socket':
        linkSync(join(specials.path, made.kind), path);
        break;
      case 'link':
        symlinkSync(made.target, path);
        break;
      case 'directory':
        mkdirSync(path);
        make(path, made.children, files);
        break;
    }
    if ('mode' in made) chmodSync(path, made.mode);
    if (made.kind === 'file' || made.kind === 'sparse') files.push(path);
  }
}

test('any tree → pack → extract → the same tree and digest', async () => {
  await fc.assert(
    fc.asyncProperty(top, async (children) => {
      using source = temporaryDirectory();
      using target = temporaryDirectory();
      make(Buffer.from(source.path), children);
      const packed = await packDirectory({ directory: source.path, exclude: [], limits, digestKey });
      const options = { limits, digestKey };
      const archive = Buffer.concat(packed.archive);
      const extracted = await extractArchive(archive, { directory: target.path, ...options });
      expect(withoutRoom(await checkArchive(archive, options))).toEqual(extracted);
      expect(extracted).toMatchObject({ contents: packed.contents, entries: packed.entries });
      const again = await packDirectory({ directory: target.path, exclude: [], limits, digestKey });
      // Directory times change where a link was left out, so the bytes may differ; what they hold may not.
      expect(again).toMatchObject({ contents: packed.contents, leftOut: [] });
      // Only links, fifos and sockets are unfit here, and all of the rest is there.
      const missing = treeOf(source.path).filter((line) => !treeOf(target.path).includes(line));
      expect(missing.filter((line) => !/ -> | (fifo|socket)$/s.test(line))).toEqual([]);
      expect(missing).toHaveLength(packed.leftOut.length);
    }),
    { numRuns: 100 },
  );
});

/** Archives of a grammar in which most things are wrong in some way. */
const part = fc.oneof(
  fc
    .record({
      name: fc.constantFrom('a', 'a/b', 'a/b/c', '../x', '/x', 'l', 'l/x', '.aws', '.vault_pass', 'd/', './a', ''),
      type: fc.constantFrom('0', '0', '0', '1', '2', '5', '5', '3', '6', '7', 'S', 'Z'),
      target: fc.constantFrom('', 'a', '..', '../..', 'a/..', 'l/../..', '/etc', 'a/b'),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      body: fc.string({ maxLength: 20 }),
    })
    .map((block) => entry(block)),
  fc
    .dictionary(fc.constantFrom('path', 'linkpath', 'size', 'mtime', 'x'), fc.string({ maxLength: 8 }))
    .map((r) => pax(r)),
  fc
    .tuple(fc.constantFrom('L', 'K', 'x', 'g'), fc.string({ maxLength: 20 }))
    .map(([type, body]) => entry({ type, body })),
  fc.uint8Array({ minLength: 512, maxLength: 512 }).map((bytes) => Buffer.from(bytes)),
);

test('any archive is either opened or refused by name of the reason, and writes nothing outside', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
      using directory = temporaryDirectory();
      const enclave = join(directory.path, 'enclave');
      mkdirSync(enclave);
      const options = { limits: { contents: 1000, entries: 20 }, digestKey };
      const tarGz = archive(...parts);
      const verdict = await checkArchive(tarGz, options).catch((error: unknown) => error);
      const outcome = await extractArchive(tarGz, { directory: enclave, ...options }).catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      );
      expect(withoutRoom(verdict)).toEqual(outcome);
      // Every refusal is one of ours, and none is a failed system call.
      const isDefect = outcome instanceof Error && !(outcome instanceof TazpodError && outcome.code !== 'unexpected');
      expect(isDefect ? outcome : undefined).toBeUndefined();
      expect(treeOf(directory.path).filter((line) => !line.startsWith('enclave/'))).toEqual([]);
    }),
    { numRuns: 400 },
  );
});
