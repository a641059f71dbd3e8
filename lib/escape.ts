// File names from a vault or an enclave, for messages and listings. A name is any bytes: shown raw it could move the
// cursor, reverse the line or forge another message. What is shown here is always one line of printable text.

import { isUtf8 } from 'node:buffer';

/** Control, format (bidi overrides among them), private and unassigned characters, and the separators that end a line. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/**
 * A name as printable text: printable UTF-8 stays, a backslash is doubled, other bytes become `\xNN` and other
 * characters `\u{…}`. Different names give different text.
 */
export function escapeName(name: Buffer): string {
  let text = '';
  for (let at = 0; at < name.length;) {
    const character = characterAt(name, at);
    text += character === undefined ? hexByte(name[at] ?? 0) : escapeCharacter(character);
    at += character === undefined ? 1 : Buffer.byteLength(character);
  }
  return text;
}

/** Longer names, which no file can have, are told by their beginning: an archive may claim one of a megabyte. */
const LONGEST_QUOTED = 1024;

/** A name between quotation marks for a message, escaped and of bounded length. */
export function quoteName(name: Buffer): string {
  if (name.length <= LONGEST_QUOTED) return `"${escapeName(name)}"`;
  return `"${escapeName(name.subarray(0, LONGEST_QUOTED))}…" (${name.length} bytes)`;
}

function characterAt(name: Buffer, at: number): string | undefined {
  const lead = name[at] ?? 0;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const bytes = name.subarray(at, at + length);
  return bytes.length === length && isUtf8(bytes) ? bytes.toString() : undefined;
}

function escapeCharacter(character: string): string {
  if (character === '\\') return '\\\\';
  if (!UNPRINTABLE.test(character)) return character;
  const point = character.codePointAt(0) ?? 0;
  return point < 0x80 ? hexByte(point) : `\\u{${point.toString(16)}}`;
}

function hexByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
