// What a person should know of a vault that is unlocked: that it is somebody else's file, and that versions of it
// wait elsewhere, which hold what this one may lack.

import { statSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { escapeName } from '../lib/escape.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import type { Output } from './output.ts';
import { waitingFiles, type WaitingFile } from './waiting-files.ts';

const SAVED_AS: Readonly<Record<WaitingFile['kind'], string>> = {
  conflict: 'the vault had changed on disk when it was saved: that version is in',
  rescue: 'a save had failed: what could not be written to the vault is in',
};
const ADVICE =
  '"tazpod vault list" and "extract" show what is in it; remove it when you have what you need (until then this is said at every unlock)';
/** As many of a kind are told one by one. */
const MOST_TOLD = 3;

/** A file of the result of `--json`. */
export interface Waiting {
  readonly kind: WaitingFile['kind'];
  /** Escaped. */
  readonly path: string;
}

/** Warns of both, and answers what waits. */
export function warnOnUnlock(output: Output): Waiting[] {
  warnOfOwner(output);
  const waiting = waitingFiles().map(({ kind, path }) => ({ kind, path: escapeName(path) }));
  for (const kind of ['conflict', 'rescue'] as const) {
    const paths = waiting.filter((file) => file.kind === kind).map(({ path }) => path);
    if (paths.length === 0) continue;
    const more = paths.length > MOST_TOLD ? ` and ${paths.length - MOST_TOLD} more` : '';
    output.warn(`${SAVED_AS[kind]} ${paths.slice(-MOST_TOLD).join(', ')}${more}; ${ADVICE}`);
  }
  return waiting;
}

function warnOfOwner(output: Output): void {
  const owner = ownerOfVault();
  const own = process.getuid?.();
  if (owner === undefined || owner === own) return;
  output.warn(`${VAULT_FILE} belongs to uid ${owner}: a save replaces it by a file of yours (uid ${own})`);
}

function ownerOfVault(): number | undefined {
  try {
    return statSync(VAULT_FILE, { throwIfNoEntry: false })?.uid;
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}
