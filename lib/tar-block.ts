// One entry as the tar blocks that go before its contents. What a ustar header holds goes there and nowhere else; names
// that are long or not ASCII, and numbers that do not fit, go into a PAX header before it, which GNU tar, Go, Python and
// bsdtar read. Owners are 0 and have no names: they mean nothing where the archive is opened.

import { isUtf8 } from 'node:buffer';

import { Header } from 'tar/header';

import { encodePaxRecord } from './pax.ts';
import { BLOCK_BYTES } from './tar-header.ts';
import type { TarEntry } from './tar-reader.ts';

/** Longest name that fits the field with its NUL. */
const FIELD_BYTES = 99;
/** Largest number of eleven octal digits. */
const OCTAL_MAX = 0o77777777777;

const EPOCH = new Date(0);

const TYPES = { '0': 'File', '1': 'Link', '2': 'SymbolicLink', '5': 'Directory' } as const;

/**
 * The header blocks of an entry.
 * @param entry of type 0, 1, 2 or 5; its mtime counts as 0 when undefined
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const { name, target, size, mtime = 0 } = entry;
  const timeFits = mtime >= 0 && mtime <= OCTAL_MAX;
  const records = [
    fits(name) ? undefined : encodePaxRecord('path', name),
    fits(target) ? undefined : encodePaxRecord('linkpath', target),
    size <= OCTAL_MAX ? undefined : encodePaxRecord('size', String(size)),
    timeFits ? undefined : encodePaxRecord('mtime', String(mtime)),
  ].filter((record) => record !== undefined);
  const block = new Header({
    path: fieldOf(name),
    linkpath: fieldOf(target),
    type: TYPES[entry.type as keyof typeof TYPES],
    mode: entry.mode,
    uid: 0,
    gid: 0,
    size: Math.min(size, OCTAL_MAX),
    mtime: timeFits ? new Date(mtime * 1000) : EPOCH,
  });
  block.encode();
  if (records.length === 0) return block.block ?? Buffer.alloc(0);
  if (!isUtf8(name) || !isUtf8(target)) records.unshift(encodePaxRecord('hdrcharset', 'BINARY'));
  return Buffer.concat([...extension(Buffer.concat(records)), block.block ?? Buffer.alloc(0)]);
}

/** Zeros that fill contents of `size` bytes up to a whole block. */
export function paddingOf(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** Two blocks of zeros: the end of an archive. */
export const END_BLOCKS = Buffer.alloc(2 * BLOCK_BYTES);

function extension(body: Buffer): Buffer[] {
  const type = 'ExtendedHeader';
  const header = new Header({ path: 'PaxHeader', type, mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: EPOCH });
  header.encode();
  return [header.block ?? Buffer.alloc(0), body, paddingOf(body.length)];
}

function fits(field: Buffer): boolean {
  return field.length <= FIELD_BYTES && field.every((byte) => byte > 0x1f && byte < 0x7f);
}

/** What a reader without PAX sees. The field's own rules for long names are not used: not all readers agree on them. */
function fieldOf(name: Buffer): string {
  return fits(name) ? name.toString('latin1') : name.toString('latin1', 0, FIELD_BYTES).replace(/[^\x21-\x7e]/g, '_');
}
