// What was read or written last: the vault file's version, and a digest of the contents by which the next save knows
// whether anything changed. PID 1 keeps it between the tool's runs as an opaque string; it holds no secret.
// The digest is keyed from the passphrase with `salt`, the one of the vault that the session began with (a fresh one for
// a new vault). Later saves of the session seal with fresh salts but keep this one for the digest: a saver derives two
// keys, and the digest that it computed while packing serves both for the comparison and for the next baseline.

import { TazpodError } from './errors.ts';
import { MAX_BASELINE_LENGTH } from './protocol.ts';
import type { ConflictFile } from './vault-replacement.ts';

export interface Baseline {
  /** Fingerprint of the vault file that was read or written last; undefined: there is none yet. */
  readonly vault: string | undefined;
  /** Fingerprint of the vault file that the session began with, which is kept as `.bak`; undefined: a new vault. */
  readonly began: string | undefined;
  /** Hex of the salt that the digest's key comes from: `digestKeyOf(await deriveKey(passphrase, salt))`. */
  readonly salt: string;
  /** Digest of the contents, as extraction and packing report it. */
  readonly contents: string;
  /** Where the last save went when the vault was another version by then, and the digest of what it saved there. */
  readonly conflict?: (ConflictFile & { readonly contents: string }) | undefined;
}

/** The baseline as a string of at most 1024 characters. */
export function encodeBaseline({ vault, began, salt, contents, conflict }: Baseline): string {
  return JSON.stringify({ vault, began, salt, contents, conflict });
}

/** @throws TazpodError `unreachable` for a string that `encodeBaseline` did not make: PID 1 is of another version */
export function decodeBaseline(text: string): Baseline {
  const { vault, began, salt, contents, conflict } = parse(text);
  if (!isHexOrMissing(vault) || !isHexOrMissing(began) || !isHex(salt) || !isHex(contents)) throw unreadable();
  const known = { vault, began, salt, contents };
  return conflict === undefined ? known : { ...known, conflict: decodeConflict(conflict) };
}

function decodeConflict(value: unknown): Baseline['conflict'] {
  if (typeof value !== 'object' || value === null) throw unreadable();
  const { name, fingerprint, contents } = value as Record<string, unknown>;
  // A name and no more: it is looked for beside the vault, and nowhere else.
  if (typeof name !== 'string' || name.includes('/') || !isHex(fingerprint) || !isHex(contents)) throw unreadable();
  return { name, fingerprint, contents };
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = text.length <= MAX_BASELINE_LENGTH ? JSON.parse(text) : undefined;
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Not JSON: refused below like any other string that is not a baseline.
  }
  throw unreadable();
}

function isHex(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]*$/.test(value);
}

function isHexOrMissing(value: unknown): value is string | undefined {
  return value === undefined || isHex(value);
}

function unreadable(): TazpodError {
  return new TazpodError('unreachable', 'cannot understand what PID 1 says was saved last', {
    hint: 'use the tazpod of the same image as its PID 1',
  });
}
