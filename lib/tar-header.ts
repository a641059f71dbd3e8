// One 512-byte header block of a tar archive, read strictly. Numbers and checksum are decoded by `tar`'s Header; names are
// taken from the raw bytes, because Header turns those that are not UTF-8 into others.
// Layout: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar's and star's variations where they differ.

import { Header } from 'tar/header';

import { TazpodError } from './errors.ts';

export const BLOCK_BYTES = 512;

export interface TarHeader {
  /** The name field, after the prefix where the format has one; ends before the first NUL. */
  readonly name: Buffer;
  /** The type flag as a character; `0` for the NUL of the oldest archives. */
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  /** Seconds since the epoch; undefined where the field is blank. */
  readonly mtime: number | undefined;
  readonly target: Buffer;
}

const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

/**
 * Decodes a header block. What it returns is a copy: the block may be overwritten afterwards.
 * @returns undefined for a block of zeros, which ends an archive
 * @throws TazpodError `malformed-archive`
 */
export function decodeHeader(block: Buffer): TarHeader | undefined {
  if (block.equals(ZERO_BLOCK)) return undefined;
  const header = decodeNumbers(block);
  if (!header.cksumValid) throw malformed('the checksum of a header is wrong');
  if (header.size === undefined && !isBlank(block.subarray(124, 136))) throw malformed('a size is negative');
  const flag = block[156] ?? 0;
  const time = header.mtime?.getTime() ?? Number.NaN;
  return {
    name: nameOf(block),
    type: flag === 0 ? '0' : String.fromCodePoint(flag),
    mode: header.mode ?? 0,
    size: header.size ?? 0,
    mtime: Number.isFinite(time) ? Math.floor(time / 1000) : undefined,
    target: Buffer.from(untilNul(block.subarray(157, 257))),
  };
}

/** `Header` would take a file whose name ends in a slash for a directory, and drop its size: it gets no name to see. */
const NO_NAME = { path: 'x' };
const SLASH = 0x2f;

function decodeNumbers(block: Buffer): Header {
  // `Header` reads as far as digits go; other tools refuse such a size, or read another, and see other entries.
  if ((block[124] ?? 0) < 0x80 && !/^ *[0-7]*[ \0]*$/.test(block.toString('latin1', 124, 136))) {
    throw malformed('a size is no number');
  }
  try {
    const nameEnd = untilNul(block.subarray(0, 100)).at(-1) ?? SLASH;
    return new Header(block, 0, nameEnd === SLASH ? NO_NAME : undefined);
  } catch (cause) {
    throw malformed('a number in a header is damaged', cause);
  }
}

function nameOf(block: Buffer): Buffer {
  const name = untilNul(block.subarray(0, 100));
  if (block.toString('latin1', 257, 263) !== 'ustar\0') return Buffer.from(name);
  // star puts times into the last bytes of the prefix, and says so at the block's end.
  const prefixEnd = block.toString('latin1', 508, 512) === 'tar\0' ? 345 + 131 : 345 + 155;
  const prefix = untilNul(block.subarray(345, prefixEnd));
  return prefix.length === 0 ? Buffer.from(name) : Buffer.concat([prefix, Buffer.from('/'), name]);
}

function untilNul(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}

function isBlank(field: Buffer): boolean {
  return field.every((byte) => byte === 0 || byte === 0x20);
}

function malformed(reason: string, cause?: unknown): TazpodError {
  return new TazpodError('malformed-archive', `cannot read the archive: ${reason}`, { cause });
}
