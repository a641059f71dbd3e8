// What of the enclave is safe on disk already, by what PID 1 was told last and by what is on disk now.

import { lstatSync } from 'node:fs';

import { type Baseline, decodeBaseline, type Version } from '../lib/baseline.ts';
import { errnoName } from '../lib/errors.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import type { Replies } from '../lib/protocol.ts';
import { fingerprintAt } from '../lib/vault-file.ts';
import { conflictError, pathOfConflict } from '../lib/vault-replacement.ts';

export interface LastSaved {
  readonly baseline: Baseline;
  /** Those of which it is known what they hold. The vault's comes first: what is in it is safe, wherever else it is. */
  readonly versions: readonly Version[];
  /**
   * Whether the vault holds what this one of `versions` does.
   * @throws TazpodError `conflict` when they are beside it, because something else has changed it
   */
  holds(version: Version): boolean;
}

/** @throws TazpodError `unreachable` when PID 1 is of another version */
export function lastSaved({ baseline: told, pending }: Pick<Replies['save'], 'baseline' | 'pending'>): LastSaved {
  let baseline = decodeBaseline(told);
  // A saver that was killed right after its rename told nobody that it was done: the file itself tells.
  if (pending !== undefined) {
    const meant = decodeBaseline(pending);
    if (isOnDisk(meant)) baseline = meant;
  }
  const versions = [baseline.vault, baseline.conflict].filter((version) => version?.contents !== undefined);
  return { baseline, versions, holds: (version) => holds(baseline, version) };
}

function isOnDisk({ vault, conflict }: Baseline): boolean {
  return conflict ? isConflictThere(conflict) : versionAt(VAULT_FILE) === vault?.fingerprint;
}

function holds({ vault: known, conflict }: Baseline, version: Version): boolean {
  // A vault that somebody has deleted is written again, changed or not.
  if (version !== conflict) return isVaultThere();
  const vault = versionAt(VAULT_FILE);
  // Our version has been put over the vault: so the conflict was settled.
  if (vault === conflict.fingerprint) return true;
  // Deleted, or as we knew it: then it may be replaced. And where the copy is gone, it has to be made again.
  if (vault === undefined || vault === known?.fingerprint || !isConflictThere(conflict)) return false;
  throw conflictError(VAULT_FILE, conflict);
}

function isConflictThere(conflict: NonNullable<Baseline['conflict']>): boolean {
  return versionAt(pathOfConflict(VAULT_FILE, conflict)) === conflict.fingerprint;
}

/** A file that cannot be read is no version that we know: the save itself will say why. */
function versionAt(path: string): string | undefined {
  try {
    return fingerprintAt(path);
  } catch {
    return 'unreadable';
  }
}

function isVaultThere(): boolean {
  try {
    lstatSync(VAULT_FILE);
    return true;
  } catch (error) {
    return errnoName(error) !== 'ENOENT';
  }
}
