// Compression in several members: to every reader one stream, whatever the pieces that it came in.

import { createCipheriv } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';

import { gunzip } from '../../lib/gunzip.ts';
import { gzip } from '../../lib/gzip.ts';

const noise = (bytes: number): Buffer =>
  createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(bytes));
const text = (bytes: number): Buffer => Buffer.alloc(bytes, 'a line of text, and again ');

/** Of lengths that are no multiple of anything; the largest holds several members. */
const contents = (): Buffer[] => [text(700), noise(1_700_003), text(1_300_001), Buffer.alloc(0), noise(13), text(77)];

const BYTES = { encoding: 'buffer', stripFinalNewline: false } as const;

const zipped = async (...what: Parameters<typeof gzip>): Promise<Buffer> => Buffer.concat(await gzip(...what));

describe('a stream of several members', () => {
  test('is read by Node as the bytes that went in', async () => {
    expect(gunzipSync(await zipped(contents())).equals(Buffer.concat(contents()))).toBe(true);
  });

  test('is read by GNU gzip as the bytes that went in', async () => {
    const { stdout } = await execa('gzip', ['-dc'], { input: await zipped(contents()), ...BYTES });
    expect(Buffer.from(stdout).equals(Buffer.concat(contents()))).toBe(true);
  });

  test('is read by an unlock as the bytes that went in', async () => {
    const pieces: Buffer[] = [];
    for await (const piece of gunzip(await zipped(contents()), 2 ** 30)) pieces.push(Buffer.from(piece));
    expect(Buffer.concat(pieces).equals(Buffer.concat(contents()))).toBe(true);
  });

  test('is the same bytes for the same bytes, in whatever pieces', async () => {
    const whole = Buffer.concat(contents());
    const pieces = Array.from({ length: 300 }, (_, index) => whole.subarray(index * 10_007, (index + 1) * 10_007));
    expect((await zipped(pieces)).equals(await zipped(contents()))).toBe(true);
  });
});

test('what does not compress grows by less than a thousandth', async () => {
  expect((await zipped([noise(5_000_000)])).length).toBeLessThan(5_005_000);
});

test('what compresses is compressed, also behind what does not', async () => {
  expect((await zipped([noise(1_000_000), text(4_000_000)])).length).toBeLessThan(1_600_000);
});

test('progress is told up to the last byte', async () => {
  const told: number[] = [];
  await zipped(contents(), (done) => told.push(done));
  expect(told.at(-1)).toBe(Buffer.concat(contents()).length);
  expect(told).toEqual(told.toSorted((a, b) => a - b));
});
