// One 512-byte header block of a tar archive, read strictly and straight from its bytes: names stay as they are, and nothing is
// made of an entry that the entry does not need.
// Layout: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar's and star's variations where they differ.

import { TazpodError } from './errors.ts';

export const BLOCK_BYTES = 512;

export interface TarHeader {
  /** The name field, after the prefix where the format has one; ends before the first NUL. It may be a view of the block. */
  readonly name: Buffer;
  /** The type flag as a character; `0` for the NUL of the oldest archives. */
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  /** Seconds since the epoch; undefined where the field is blank, or is a time that no `Date` can hold. */
  readonly mtime: number | undefined;
  readonly target: Buffer;
}

interface Field {
  readonly from: number;
  readonly to: number;
}

const NAME: Field = { from: 0, to: 100 };
const MODE: Field = { from: 100, to: 108 };
const UID: Field = { from: 108, to: 116 };
const GID: Field = { from: 116, to: 124 };
const SIZE: Field = { from: 124, to: 136 };
const MTIME: Field = { from: 136, to: 148 };
const CHECKSUM: Field = { from: 148, to: 156 };
const TYPE = 156;
const TARGET: Field = { from: 157, to: 257 };
const MAGIC: Field = { from: 257, to: 263 };
const PREFIX: Field = { from: 345, to: 500 };
/** star puts times into the last bytes of the prefix, and says so at the block's end. */
const STAR_PREFIX: Field = { from: 345, to: 476 };
const STAR_MAGIC: Field = { from: 508, to: 512 };

const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;
/** The first byte of a number in base 256, GNU's notation for what octal digits cannot say. */
const BASE_256 = 0x80;
const BASE_256_NEGATIVE = 0xff;

const NOTHING = Buffer.alloc(0);
/** ECMA-262, "Time Values and Time Range". */
const LATEST_SECOND = 8.64e12;

/**
 * Decodes a header block.
 * @returns undefined for a block of zeros, which ends an archive
 * @throws TazpodError `malformed-archive`
 */
export function decodeHeader(block: Buffer): TarHeader | undefined {
  const sum = sumOf(block);
  if (sum === 0) return undefined;
  // The checksum's own field counts as spaces.
  if (numberIn(block, CHECKSUM) !== sum - sumIn(block, CHECKSUM) + 8 * SPACE) {
    throw malformed('the checksum of a header is wrong');
  }
  // Owners mean nothing here, but a header with a damaged one is damaged.
  numberIn(block, UID);
  numberIn(block, GID);
  const seconds = numberIn(block, MTIME) ?? Number.NaN;
  return {
    name: nameIn(block),
    type: String.fromCharCode(block[TYPE] || ZERO),
    mode: numberIn(block, MODE) ?? 0,
    size: sizeIn(block),
    mtime: Math.abs(seconds) <= LATEST_SECOND ? seconds : undefined,
    target: block[TARGET.from] === 0 ? NOTHING : Buffer.from(untilNul(block, TARGET)),
  };
}

/** A block, where it can be read by four bytes at a time. */
const WORDS = new Int32Array(BLOCK_BYTES / 4);
const BYTES_OF_WORDS = Buffer.from(WORDS.buffer);

/**
 * The sum of a block's bytes. Two of them are added at once, 65536 apart, and the others of the word elsewhere: one by one they are a
 * third of what reading an entry takes. 128 of the largest are less than 65536.
 */
function sumOf(block: Buffer): number {
  BYTES_OF_WORDS.set(block);
  let even = 0;
  let odd = 0;
  // Not `WORDS.length`, which would be a call for each.
  for (let at = 0; at < BLOCK_BYTES / 4; at++) {
    const word = WORDS[at] ?? 0;
    even += word & 0xff_00ff;
    odd += (word >>> 8) & 0xff_00ff;
  }
  return (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16);
}

function sumIn(block: Buffer, { from, to }: Field): number {
  let sum = 0;
  for (let at = from; at < to; at++) sum += block[at] ?? 0;
  return sum;
}

function sizeIn(block: Buffer): number {
  // Other tools refuse what is a number only at its beginning, or read another, and see other entries.
  if (!isWholeNumber(block, SIZE)) throw malformed('a size is no number');
  const size = numberIn(block, SIZE) ?? 0;
  if (size < 0) throw malformed('a size is negative');
  return size;
}

/**
 * The number in a field, as far as its digits go.
 * @returns undefined where it has none
 */
function numberIn(block: Buffer, field: Field): number | undefined {
  if ((block[field.from] ?? 0) >= BASE_256) return base256In(block, field);
  let number: number | undefined;
  for (let at = afterSpaces(block, field); at < field.to; at++) {
    // As `isDigit`, without a call for each.
    const digit = (block[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 7) break;
    number = (number ?? 0) * 8 + digit;
  }
  return number;
}

/** Whether nothing but spaces and NULs follows the digits. */
function isWholeNumber(block: Buffer, field: Field): boolean {
  if ((block[field.from] ?? 0) >= BASE_256) return true;
  let at = afterSpaces(block, field);
  while (at < field.to && isDigit(block[at])) at += 1;
  while (at < field.to && (block[at] === SPACE || block[at] === 0)) at += 1;
  return at === field.to;
}

function afterSpaces(block: Buffer, { from, to }: Field): number {
  let at = from;
  while (at < to && block[at] === SPACE) at += 1;
  return at;
}

function isDigit(byte = 0): boolean {
  return byte >= ZERO && byte <= SEVEN;
}

/** Big-endian, in two's complement, with the first byte for its sign. */
function base256In(block: Buffer, { from, to }: Field): number {
  const sign = block[from];
  let number = sign === BASE_256_NEGATIVE ? -1 : 0;
  for (let at = from + 1; at < to; at++) number = number * 256 + (block[at] ?? 0);
  // One that was too large meanwhile has not become smaller again.
  if ((sign !== BASE_256 && sign !== BASE_256_NEGATIVE) || !Number.isSafeInteger(number)) {
    throw malformed('a number in a header is damaged');
  }
  return number;
}

function nameIn(block: Buffer): Buffer {
  const name = untilNul(block, NAME);
  if (block[PREFIX.from] === 0 || !holds(block, MAGIC, 'ustar\0')) return name;
  const prefix = untilNul(block, holds(block, STAR_MAGIC, 'tar\0') ? STAR_PREFIX : PREFIX);
  return Buffer.concat([prefix, Buffer.from('/'), name]);
}

function holds(block: Buffer, { from, to }: Field, text: string): boolean {
  return block.toString('latin1', from, to) === text;
}

function untilNul(block: Buffer, { from, to }: Field): Buffer {
  let end = from;
  while (end < to && block[end] !== 0) end += 1;
  return block.subarray(from, end);
}

function malformed(reason: string): TazpodError {
  return new TazpodError('malformed-archive', `cannot read the archive: ${reason}`);
}
