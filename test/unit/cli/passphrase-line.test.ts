import { expect, test } from 'vitest';

import { PassphraseLine } from '../../../cli/passphrase-line.ts';

/** Types all bytes; gives what the last one did and what stands in the line. */
function type(keys: string | Uint8Array) {
  using line = new PassphraseLine();
  const last = [...Buffer.from(keys)].map((byte) => line.type(byte)).at(-1);
  return { last, typed: line.copy() };
}

test.for([
  ['ab\x7fc', 'ac', 'backspace takes back one character'],
  ['\x7fa', 'a', 'backspace at the beginning does nothing'],
  ['aé\x7f', 'a', 'a character of two bytes goes whole'],
  ['a密\x7f', 'a', 'one of three'],
  ['a🔐\x08', 'a', 'one of four'],
  ['éé\x7f', 'é', 'and only one'],
  ['abc\x15d', 'd', 'Ctrl-U begins anew'],
  ['abc\x04d', 'abcd', 'Ctrl-D after something does nothing'],
  ['ab\x17\x1ac', 'abc', 'Ctrl-W and Ctrl-Z do nothing'],
  [' a\t b ', ' a\t b ', 'blanks belong to it'],
] as const)('%j gives %j: %s', ([keys, text]) => {
  expect(type(keys).typed).toEqual(Buffer.from(text));
});

test('bytes that are no UTF-8 stay as they are, and backspace takes back at most four of them', () => {
  expect(type(Uint8Array.of(0xff, 0xfe, 0x41)).typed).toEqual(Buffer.of(0xff, 0xfe, 0x41));
  expect(type(Uint8Array.of(0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f)).typed).toEqual(Buffer.of(0x41, 0x80));
});

test.for([
  ['a\r', 'done'],
  ['a\n', 'done'],
  ['a\x03', 'interrupted'],
  ['\x04', 'cancelled'],
  ['a', 'more'],
] as const)('%j: %s', ([keys, last]) => {
  expect(type(keys).last).toBe(last);
});

test('a line of 1024 bytes is full: more is dropped, and said', () => {
  const { last, typed } = type('x'.repeat(1025));
  expect(last).toBe('full');
  expect(typed.length).toBe(1024);
});
