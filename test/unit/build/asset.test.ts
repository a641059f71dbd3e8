// The parts of the executable: V8 is to find compiled code where it may stay.

import { expect, test } from 'vitest';

import { assetName, packAsset, unpackAsset, WORD } from '../../../build/asset.ts';

test.each([0, 1, 7, 8])('gives back code and a text of %d characters', (length) => {
  const code = Buffer.from('0123456789abcdef');
  const text = 'x'.repeat(length);
  const asset = packAsset(code, text);
  expect(asset.length % WORD).toBe(0);
  const unpacked = unpackAsset(new Uint8Array(asset).buffer);
  expect(unpacked.text).toBe(text);
  expect(unpacked.code).toEqual(code);
  expect(unpacked.code.byteOffset % WORD).toBe(0);
});

test('has names of one length, a multiple of a word', () => {
  const lengths = ['entrypoint-log', 'tazpod', 'tazpod-entrypoint'].map((part) => assetName(part).length % WORD);
  expect(lengths).toEqual([0, 0, 0]);
});
