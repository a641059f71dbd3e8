// What was read or written last: the vault file's version, and what it holds, by which the next save knows whether anything
// changed. PID 1 keeps it between the tool's runs as an opaque string; it holds no secret.
// The digest of a version's contents is keyed from the passphrase with the salt of that very version, which its fingerprint begins
// with: who wrote or read it had that key at hand. A saver seals with a fresh salt, and makes the digest for the next baseline with
// the key that it seals with. It derives an older key for comparison only where the totals do not tell that something changed.

import type { Contents } from './contents-digest.ts';
import { TazpodError } from './errors.ts';
import { MAX_BASELINE_LENGTH } from './protocol.ts';
import type { ConflictFile } from './vault-replacement.ts';

/** A vault file that was read or written, by its fingerprint, and what it holds. */
export interface Version {
  readonly fingerprint: string;
  /** As extraction and packing report it, with the key that opens this version: `digestKeyOf` gives that of the digest. */
  readonly contents: Contents;
}

export interface Baseline {
  /** The vault file that was read or written last, of which it may not be known what it holds; undefined: there is none yet. */
  readonly vault: Version | { readonly fingerprint: string; readonly contents: undefined } | undefined;
  /** Fingerprint of the vault file that the session began with, which is kept as `.bak`; undefined: a new vault. */
  readonly began: string | undefined;
  /** Where the last save went when the vault was another version by then, and what it saved there. */
  readonly conflict?: (ConflictFile & Version) | undefined;
}

/** The baseline as a string of at most 1024 characters. */
export function encodeBaseline({ vault, began, conflict }: Baseline): string {
  // That there is no vault is said: what says nothing at all is no baseline.
  return JSON.stringify({ vault: vault ?? null, began, conflict });
}

/** @throws TazpodError `unreachable` for a string that `encodeBaseline` did not make: PID 1 is of another version */
export function decodeBaseline(text: string): Baseline {
  const { vault, began, conflict } = fieldsOf(parse(text));
  if (began !== undefined && !isHex(began)) throw unreadable();
  const known = { vault: vault === null ? undefined : decodeVault(vault), began };
  return conflict === undefined ? known : { ...known, conflict: decodeConflict(conflict) };
}

function decodeVault(value: unknown): Baseline['vault'] {
  const { fingerprint, contents } = fieldsOf(value);
  if (!isHex(fingerprint)) throw unreadable();
  return { fingerprint, contents: contents === undefined ? undefined : decodeContents(contents) };
}

function decodeConflict(value: unknown): Baseline['conflict'] {
  const { name, fingerprint, contents } = fieldsOf(value);
  // A name and no more: it is looked for beside the vault, and nowhere else.
  if (typeof name !== 'string' || name.includes('/') || !isHex(fingerprint)) throw unreadable();
  return { name, fingerprint, contents: decodeContents(contents) };
}

function decodeContents(value: unknown): Contents {
  const { digest, entries, bytes } = fieldsOf(value);
  if (!isHex(digest) || !isCount(entries) || !isCount(bytes)) throw unreadable();
  return { digest, entries, bytes };
}

function parse(text: string): unknown {
  try {
    return text.length <= MAX_BASELINE_LENGTH ? JSON.parse(text) : undefined;
  } catch {
    // Not JSON: refused like any other string that is not a baseline.
    return undefined;
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw unreadable();
}

function isHex(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]*$/.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function unreadable(): TazpodError {
  return new TazpodError('unreachable', 'cannot understand what PID 1 says was saved last', {
    hint: 'use the tazpod of the same image as its PID 1',
  });
}
