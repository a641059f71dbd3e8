import { expect, test } from 'vitest';

import { formatSize, parseSize, sizeOption } from '../../../cli/size.ts';

test.for([
  ['1', 1],
  ['4096', 4096],
  ['8k', 8192],
  ['64m', 67_108_864],
  ['64M', 67_108_864],
  ['2g', 2_147_483_648],
] as const)('%s is %i bytes', ([text, bytes]) => {
  expect(parseSize(text)).toBe(bytes);
});

test.for(['', '0', '0m', '-1', '1.5m', 'm', '64mb', ' 1', '1e3', '999999999999999g'])('"%s" is no size', (text) => {
  expect(parseSize(text)).toBeUndefined();
});

test.for([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [9949, '9.9 kB'],
  [9950, '10 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [64_000_000, '64 MB'],
  [2_500_000_000, '2.5 GB'],
] as const)('%i bytes are told as %s', ([bytes, text]) => {
  expect(formatSize(bytes)).toBe(text);
});

test.for([
  [1, '1'],
  [1024, '1k'],
  [64 * 1024 ** 2, '64m'],
  [1024 ** 3, '1g'],
  [1024 ** 3 + 1, '1024m'],
  [10 * 1024 ** 2 - 1, '10239k'],
] as const)('%i bytes are %s as an option', ([bytes, text]) => {
  expect(sizeOption(bytes)).toBe(text);
});
