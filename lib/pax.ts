// PAX extended headers (POSIX.1-2017, pax, "pax Extended Header"): records of the form "LENGTH KEY=VALUE\n", on bytes.
// A value is whatever its length says: names that are not UTF-8, or hold newlines, come through as they are.

import { TazpodError } from './errors.ts';

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** Longest decimal length that a record can have; longer ones only serve to confuse readers. */
const LENGTH_DIGITS = 10;

/**
 * Reads a PAX header's body. Of two records with one key the later holds, as POSIX says.
 * @throws TazpodError `malformed-archive`
 */
export function parsePax(body: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < body.length;) {
    const space = body.subarray(at, at + LENGTH_DIGITS + 1).indexOf(SPACE);
    const digits = body.toString('latin1', at, at + Math.max(space, 0));
    const end = at + Number(digits);
    const equals = body.indexOf(EQUALS, at + space + 1);
    const sound =
      /^[1-9][0-9]*$/.test(digits) &&
      end <= body.length &&
      body[end - 1] === NEWLINE &&
      equals !== -1 &&
      equals < end - 1;
    if (!sound) throw malformed('a record of an extended header is damaged');
    const key = body.toString('utf8', at + space + 1, equals);
    records.set(key, body.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** One record, with the length that counts itself. */
export function encodePaxRecord(key: string, value: Buffer | string): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from([NEWLINE])]);
  // The length counts its own digits, and one more digit may make it need one more.
  let length = rest.length + String(rest.length).length;
  if (String(length).length + rest.length !== length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/**
 * A decimal number of a PAX record: a size.
 * @throws TazpodError `malformed-archive`
 */
export function parsePaxSize(value: Buffer): number {
  const text = value.toString('latin1');
  const size = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw malformed('the size in an extended header is no number');
  return size;
}

/**
 * Seconds since the epoch of a PAX record, which may be negative and have a fraction.
 * @returns undefined for a time that no `Date` can hold
 * @throws TazpodError `malformed-archive`
 */
export function parsePaxTime(value: Buffer): number | undefined {
  const text = value.toString('latin1');
  if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(text)) throw malformed('a time in an extended header is no number');
  const seconds = Math.floor(Number(text));
  return Number.isNaN(new Date(seconds * 1000).getTime()) ? undefined : seconds;
}

function malformed(reason: string): TazpodError {
  return new TazpodError('malformed-archive', `cannot read the archive: ${reason}`);
}
