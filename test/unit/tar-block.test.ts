// Header blocks, byte for byte as `tar`'s Header makes them.

import * as fc from 'fast-check';
import { Header } from 'tar/header';
import { describe, expect, test } from 'vitest';

import { encodeHeader } from '../../lib/tar-block.ts';

const TYPES = { '0': 'File', '1': 'Link', '2': 'SymbolicLink', '5': 'Directory' } as const;
const LARGEST = 0o77777777777;

const text = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((byte) => String.fromCodePoint(byte)),
  maxLength: 99,
});
const entry = fc.record({
  name: text.filter((name) => name !== ''),
  target: text,
  type: fc.constantFrom('0', '1', '2', '5'),
  mode: fc.integer({ min: 0, max: 0o777 }),
  size: fc.oneof(fc.integer({ min: 0, max: 4096 }), fc.integer({ min: 0, max: LARGEST })),
  mtime: fc.oneof(fc.integer({ min: 0, max: 2 ** 31 }), fc.integer({ min: 0, max: LARGEST })),
});

function reference({
  name,
  target,
  type,
  mode,
  size,
  mtime,
}: typeof entry extends fc.Arbitrary<infer T> ? T : never): Buffer {
  const header = new Header({
    path: name,
    linkpath: target,
    type: TYPES[type],
    mode,
    uid: 0,
    gid: 0,
    size,
    mtime: new Date(mtime * 1000),
  });
  header.encode();
  return header.block ?? Buffer.alloc(0);
}

describe('a header', () => {
  test('of any entry that fits is what tar makes of it', () => {
    fc.assert(
      fc.property(entry, (entry) => {
        const bytes = { name: Buffer.from(entry.name), target: Buffer.from(entry.target) };
        expect(encodeHeader({ ...entry, ...bytes })).toEqual(reference(entry));
      }),
      { numRuns: 1000 },
    );
  });

  test.each([0, 1, 0o7777777777, 0o10000000000, LARGEST])('with %i for its size and its time, too', (number) => {
    const entry = { name: 'n', target: '', type: '0' as const, mode: 0o600, size: number, mtime: number };
    const bytes = { name: Buffer.from(entry.name), target: Buffer.alloc(0) };
    expect(encodeHeader({ ...entry, ...bytes })).toEqual(reference(entry));
  });
});
