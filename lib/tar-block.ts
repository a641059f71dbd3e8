// One entry as the tar blocks that go before its contents. What a ustar header holds goes there and nowhere else; names
// that are long or not ASCII, and numbers that do not fit, go into a PAX header before it, which GNU tar, Go, Python and
// bsdtar read. Owners are 0 and have no names: they mean nothing where the archive is opened.
// Layout: POSIX.1-2017 pax, "ustar Interchange Format". The bytes are those of `tar`'s Header, which takes several times as long.

import { isUtf8 } from 'node:buffer';

import { encodePaxRecord } from './pax.ts';
import { BLOCK_BYTES } from './tar-header.ts';
import type { TarEntry } from './tar-reader.ts';

/** Of the fields for names. */
const NAME_BYTES = 100;
/** Longest name that fits the field with its NUL. */
const FIELD_BYTES = NAME_BYTES - 1;
/** Largest number of eleven octal digits. */
const OCTAL_MAX = 0o77777777777;

/** The fields that differ between entries, and where they are. */
const [MODE, SIZE, TIME, SUM, TYPE, TARGET] = [100, 124, 136, 148, 156, 157];

const [SPACE, ZERO] = [0x20, 0x30];

/** What all headers have in common: no owner, no group, no device, and the format. */
const COMMON = Buffer.alloc(BLOCK_BYTES);
for (const at of [108, 116, 329, 337]) COMMON.write('000000 ', at, 'latin1');
COMMON.write('ustar\x0000', 257, 'latin1');
/** Of their bytes, and of the sum's own field, which counts as blanks. */
const COMMON_SUM = COMMON.reduce((sum, byte) => sum + byte, (TYPE - SUM) * SPACE);

/** Where a block is made; what differs in the next is written over. */
const BLOCK = Buffer.from(COMMON);

/**
 * The header blocks of an entry, until those of the next are made.
 * @param entry of type 0, 1, 2 or 5; its mtime counts as 0 when undefined
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const { name, target, size, mtime = 0 } = entry;
  const [nameFits, targetFits] = [fits(name), fits(target)];
  const timeFits = mtime >= 0 && mtime <= OCTAL_MAX;
  if (nameFits && targetFits && timeFits && size <= OCTAL_MAX) return block(entry);
  const records = [
    nameFits ? undefined : encodePaxRecord('path', name),
    targetFits ? undefined : encodePaxRecord('linkpath', target),
    size <= OCTAL_MAX ? undefined : encodePaxRecord('size', String(size)),
    timeFits ? undefined : encodePaxRecord('mtime', String(mtime)),
  ].filter((record) => record !== undefined);
  if (!isUtf8(name) || !isUtf8(target)) records.unshift(encodePaxRecord('hdrcharset', 'BINARY'));
  const body = Buffer.concat(records);
  const fields = { name: fieldOf(name), target: fieldOf(target), size: Math.min(size, OCTAL_MAX) };
  const extension = Buffer.concat([block({ ...EXTENSION, size: body.length }), body, paddingOf(body.length)]);
  return Buffer.concat([extension, block({ ...entry, ...fields, mtime: timeFits ? mtime : 0 })]);
}

/** Zeros that fill contents of `size` bytes up to a whole block. */
export function paddingOf(size: number): Buffer {
  return ZEROS.subarray(0, (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** Two blocks of zeros: the end of an archive. */
export const END_BLOCKS = Buffer.alloc(2 * BLOCK_BYTES);

const EXTENSION = { name: Buffer.from('PaxHeader'), type: 'x', mode: 0o644, mtime: 0, target: Buffer.alloc(0) };

function block({ name, type, mode, size, mtime = 0, target }: TarEntry): Buffer {
  const header = BLOCK;
  const flag = type.codePointAt(0) ?? 0;
  header[TYPE] = flag;
  const sum =
    COMMON_SUM +
    flag +
    put(name, header, 0, NAME_BYTES) +
    put(target, header, TARGET, NAME_BYTES) +
    putOctal(mode, header, MODE, 8) +
    putOctal(size, header, SIZE, 12) +
    putOctal(mtime, header, TIME, 12);
  putOctal(sum, header, SUM, 8);
  return header;
}

/**
 * Fills a field with bytes and NULs.
 * @returns the sum of what it has put there
 */
function put(bytes: Buffer, header: Buffer, at: number, length: number): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index++) sum += header[at + index] = bytes[index] ?? 0;
  header.fill(0, at + bytes.length, at + length);
  return sum;
}

/**
 * Puts a number into a field of so many bytes: its digits, a blank and a NUL, or, where only that has room, no blank.
 * @returns the sum of what it has put there
 */
function putOctal(value: number, header: Buffer, at: number, length: number): number {
  let digits = length - 2;
  let sum = 0;
  if (value < 8 ** digits) sum += header[at + digits] = SPACE;
  else digits += 1;
  // Shifting would cut it off at 32 bits.
  for (let rest = value; digits > 0; rest = Math.floor(rest / 8)) sum += header[at + --digits] = ZERO + (rest % 8);
  return sum;
}

function fits(field: Buffer): boolean {
  if (field.length > FIELD_BYTES) return false;
  for (let index = 0; index < field.length; index++) {
    const byte = field[index] ?? 0;
    if (byte < 0x20 || byte > 0x7e) return false;
  }
  return true;
}

/** What a reader without PAX sees. The field's own rules for long names are not used: not all readers agree on them. */
function fieldOf(name: Buffer): Buffer {
  if (fits(name)) return name;
  return name.subarray(0, FIELD_BYTES).map((byte) => (byte > 0x20 && byte < 0x7f ? byte : UNDERSCORE)) as Buffer;
}

const UNDERSCORE = 0x5f;
