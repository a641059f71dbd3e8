// Header blocks, decoded by us and by the package that most of Node's world reads them with. Where the two differ, ours refuses.

import * as fc from 'fast-check';
import { Header } from 'tar/header';
import { expect, test } from 'vitest';

import { decodeHeader } from '../../lib/tar-header.ts';
import { entry } from './tar-builder.ts';

/** Bytes that mean something in a number, and a few that do not. */
const byte = fc.constantFrom(...'01234567777  \0\0\x0089x'.split(''), '\x80', '\x81', '\xff');
const number = (length: number) =>
  fc.oneof(
    fc.string({ unit: byte, minLength: length, maxLength: length }),
    fc.bigInt({ min: -(2n ** 60n), max: 2n ** 60n }).map((value) => base256(value, length)),
    fc.nat().map((value) => value.toString(8).slice(0, length).padStart(length, ' ')),
  );

function base256(value: bigint, length: number): string {
  const bits = BigInt.asUintN(8 * (length - 1), value);
  const digits = bits.toString(16).padStart(2 * (length - 1), '0');
  return (value < 0n ? '\xff' : '\x80') + Buffer.from(digits, 'hex').toString('latin1');
}

function sealed(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** What `read` gives, or undefined where it throws. */
function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Why a block is refused, or that it is not. */
function outcomeOf(block: Buffer): string {
  try {
    decodeHeader(block);
    return 'read';
  } catch (error) {
    return (error as Error).message.replace('cannot read the archive: ', '');
  }
}

test('numbers are read as tar reads them, or refused', () => {
  let [read, refused] = [0, 0];
  fc.assert(
    fc.property(number(8), number(8), number(8), number(12), number(12), (mode, uid, gid, size, mtime) => {
      const block = entry({ name: 'file' });
      block.write(mode + uid + gid + size + mtime, 100, 'latin1');
      sealed(block);
      const ours = unlessRefused(() => decodeHeader(block));
      if (ours) read += 1;
      else refused += 1;
      fc.pre(ours !== undefined);
      const theirs = unlessRefused(() => new Header(block));
      const seconds = (theirs?.mtime?.getTime() ?? Number.NaN) / 1000;
      expect(theirs).toMatchObject({ cksumValid: true });
      expect(ours).toEqual({
        name: Buffer.from('file'),
        type: '0',
        mode: theirs?.mode ?? 0,
        size: theirs?.size ?? 0,
        mtime: Number.isNaN(seconds) ? undefined : seconds,
        target: Buffer.alloc(0),
      });
    }),
    { numRuns: 2000 },
  );
  expect(Math.min(read, refused)).toBeGreaterThan(500);
});

test.each([
  ['a size that is no number', '12x4', 'a size is no number'],
  ['a size with something behind its end', '0000000012\0x', 'a size is no number'],
  ['a negative size', '\xff'.repeat(12), 'a size is negative'],
  ['a size beyond all numbers', `\x80${'\xff'.repeat(11)}`, 'a number in a header is damaged'],
  ['a size of no notation', `\x81${'\0'.repeat(11)}`, 'a number in a header is damaged'],
])('%s is refused', (_, size, reason) => {
  expect(() => decodeHeader(entry({ size }))).toThrow(reason);
});

test('a damaged number is refused even where nobody needs it', () => {
  const block = entry({});
  block.write('\x90', 108, 'latin1');
  expect(() => decodeHeader(sealed(block))).toThrow('a number in a header is damaged');
});

test('a block with any byte of it changed has a wrong checksum', () => {
  const good = entry({ name: 'file', prefix: 'folder', target: 'target' });
  const others: string[] = [];
  for (let at = 0; at < good.length; at++) {
    // What ends the checksum is not part of any number.
    if (at === 154 || at === 155) continue;
    for (let change = 1; change < 256; change++) {
      const block = Buffer.from(good);
      block[at] = (block[at] ?? 0) ^ change;
      const outcome = outcomeOf(block);
      if (outcome !== 'the checksum of a header is wrong') others.push(`${at}, ${change}: ${outcome}`);
    }
  }
  // In the checksum itself a zero that becomes a space says the same; with its highest bit set the first byte begins a number in base
  // 256, or none.
  const damaged = Array.from({ length: 128 }, (_, index) => `148, ${128 + index}: a number in a header is damaged`);
  expect(others).toEqual(['148, 16: read', ...damaged]);
});

test('a block of zeros is no header', () => {
  expect(decodeHeader(Buffer.alloc(512))).toBeUndefined();
});

test('star’s times at the end of the prefix are no part of a name', () => {
  const block = entry({ name: 'file', prefix: 'folder' });
  block.write('p'.repeat(131), 345, 'latin1');
  block.write('00000000001 ', 476, 'latin1');
  expect(decodeHeader(sealed(block))?.name.toString()).toBe(`${'p'.repeat(131)}00000000001 /file`);
  block.write('tar\0', 508, 'latin1');
  expect(decodeHeader(sealed(block))?.name.toString()).toBe(`${'p'.repeat(131)}/file`);
});
