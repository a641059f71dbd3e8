// Replacing the vault file: whole or not at all. What replaces it was written beside it, synced and read back before;
// a crash at any moment leaves the old version or the new one.
// A file that somebody else has changed meanwhile is never overwritten: the new version goes beside it, under a name that
// the session keeps using. From the look at what is there to the rename the directory is locked.

import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { writingAdvice } from './advice.ts';
import { lockDirectory } from './directory-lock.ts';
import { errnoName, reasonOf, TazpodError, type ErrorCode } from './errors.ts';
import { fingerprintOf } from './seal.ts';
import { temporaryName, type TemporaryFile } from './temporary-file.ts';
import { fingerprintAt } from './vault-file.ts';
import { freeName, giveName, PRIVATE, writeVerified } from './verified-file.ts';

/** A version that could not take the vault's place: a file beside it. */
export interface ConflictFile {
  /** Its name, without the directory. */
  readonly name: string;
  readonly fingerprint: string;
}

export interface Replacement {
  /** Fingerprints of the versions that may be overwritten: what was read, or written last. None: there was no vault. */
  readonly known: readonly string[];
  /** The version that the session began with. When it is replaced it is kept as `.bak`, in place of an older session's. */
  readonly began?: string | undefined;
  /** Where this session's version went at an earlier conflict: replaced, unless somebody changed it. */
  readonly conflict?: ConflictFile | undefined;
  /**
   * Asked last of all, under the lock, before the new version gets a name: the vault's, or that of the conflict file it is
   * given. What it throws keeps everything as it was.
   */
  readonly confirm?: (conflict: ConflictFile | undefined) => Promise<void>;
}

/** What `confirm` may end a replacement with, beside failures of the system. */
const PASSED_ON: ReadonlySet<ErrorCode> = new Set(['conflict', 'locked', 'save-failed', 'unreachable', 'usage']);

/**
 * Replaces the vault file. Its directory is made if missing (0700); the new file has the mode of the old, 0600 if there
 * was none.
 * @returns undefined when the vault is replaced; the conflict file, when it was another version by now
 * @throws TazpodError `save-failed`: the old vault is as it was; what `confirm` throws
 */
export async function replaceVaultFile(
  path: string,
  sealed: readonly Buffer[],
  replacement: Replacement,
): Promise<ConflictFile | undefined> {
  try {
    return await replace(path, sealed, replacement);
  } catch (error) {
    if (error instanceof TazpodError && PASSED_ON.has(error.code)) throw error;
    throw new TazpodError('save-failed', `cannot save ${path}: ${reasonOf(error)}`, {
      hint: error instanceof TazpodError ? error.hint : writingAdvice(error, dirname(path)),
      cause: error,
    });
  }
}

/** The path of a conflict file of the vault at `path`. */
export function pathOfConflict(path: string, { name }: ConflictFile): string {
  let vault = path;
  try {
    vault = targetOf(path);
  } catch {
    // It cannot be looked at: then neither can what is beside it.
  }
  return join(dirname(vault), name);
}

/** What to tell of a save that could not take the vault's place. */
export function conflictError(path: string, conflict: ConflictFile): TazpodError {
  return new TazpodError('conflict', `cannot save over ${path}: it was changed by something else meanwhile`, {
    hint: `this session's version is in ${pathOfConflict(path, conflict)}, under the same passphrase: see what differs, then keep one`,
  });
}

async function replace(
  path: string,
  sealed: readonly Buffer[],
  { known, began, conflict, confirm = async () => {} }: Replacement,
): Promise<ConflictFile | undefined> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // A link at the vault's path stays: what it leads to is the vault.
  const target = targetOf(path);
  // Set before the file is synced: later it would have to be synced again.
  const mode = modeOf(target);
  await using temporary = await writeVerified(target, sealed, mode);
  await using _lock = await lockDirectory(dirname(target));

  const found = fingerprintAt(target);
  // Gone is no conflict: nothing of anybody's is there to be lost.
  if (found !== undefined && !known.includes(found)) {
    const name = await conflictName(target, conflict);
    const made = { name: basename(name), fingerprint: fingerprintOf(...sealed) };
    await changeMode(temporary, mode, PRIVATE);
    await confirm(made);
    await giveName(temporary, name);
    return made;
  }
  await changeMode(temporary, mode, modeOf(target));
  await confirm(undefined);
  if (found !== undefined && found === began) keepBackup(target);
  await giveName(temporary, target);
  return undefined;
}

function targetOf(path: string): string {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (errnoName(error) !== 'ENOENT') throw error;
    return path;
  }
}

/** The name that the session used before, if what is there is still what it wrote. */
async function conflictName(target: string, earlier: ConflictFile | undefined): Promise<string> {
  if (earlier) {
    const path = join(dirname(target), earlier.name);
    if (isVersionAt(path, earlier.fingerprint)) return path;
  }
  return await freeName(target, 'conflict');
}

function isVersionAt(path: string, fingerprint: string): boolean {
  try {
    return fingerprintAt(path) === fingerprint;
  } catch {
    return false;
  }
}

/** What the new file is to have: the permission bits of the old one. */
function modeOf(path: string): number {
  try {
    return lstatSync(path).mode & 0o777;
  } catch (error) {
    if (errnoName(error) === 'ENOENT') return PRIVATE;
    throw error;
  }
}

async function changeMode({ handle }: TemporaryFile, from: number, to: number): Promise<void> {
  if (from === to) return;
  await handle.chmod(to);
  await handle.sync();
}

/** The version that is about to be replaced, under the name `.bak`; an older one under that name is replaced at once. */
function keepBackup(target: string): void {
  const temporary = temporaryName(target);
  try {
    linkOrCopy(target, temporary);
    renameSync(temporary, `${target}.bak`);
  } finally {
    removeIfThere(temporary);
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It has its other name by now, or was never there.
  }
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    // No hard links on this file system, or not to somebody else's file (proc_sys_fs(5), protected_hardlinks).
    copyFileSync(from, to, constants.COPYFILE_EXCL);
    const copy = openSync(to, 'r');
    try {
      fsyncSync(copy);
    } finally {
      closeSync(copy);
    }
  }
}
