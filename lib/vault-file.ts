// The vault file on disk, for reading: as it is, or which version it is. What is at its path and cannot be read as a vault
// is an error, never "no vault yet".

import { constants, type Stats } from 'node:fs';
import { lstat, open, realpath, type FileHandle } from 'node:fs/promises';

import { readingAdvice } from './advice.ts';
import { errnoName, reasonOf, TazpodError } from './errors.ts';
import { isMountPoint } from './mount-point.ts';
import { beginReading, type Reading } from './reading.ts';
import { fingerprintOf, FINGERPRINT_ENDS } from './seal.ts';

/** O_NONBLOCK: opening a fifo would wait for its writer. */
export const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Reads the vault file.
 * @returns undefined where there is none: a new vault. A file that is there but cannot be read is never "new"
 * @throws TazpodError `configuration` when it is no regular file, cannot be read, or is itself a mount point
 */
export async function readVaultFile(path: string): Promise<Buffer | undefined> {
  const reading = await beginVaultFile(path);
  return await reading?.whole;
}

/** As `readVaultFile`, for who has something to do with its beginning. */
export async function beginVaultFile(path: string): Promise<Reading | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await openIfThere(path);
  } catch (error) {
    throw unusable(path, error);
  }
  return handle && (await beginReading(handle, (error) => unusable(path, error)));
}

/**
 * Which version a vault file is, from its two ends.
 * @returns undefined where there is none
 * @throws TazpodError `configuration` as `readVaultFile`
 */
export async function fingerprintAt(path: string): Promise<string | undefined> {
  try {
    await using handle = await openIfThere(path);
    if (!handle) return undefined;
    const { size } = await handle.stat();
    const { head, tail } = FINGERPRINT_ENDS;
    if (size <= head + tail) return fingerprintOf(await handle.readFile());
    const ends = Buffer.alloc(head + tail);
    await handle.read(ends, 0, head, 0);
    await handle.read(ends, head, tail, size - tail);
    return fingerprintOf(ends);
  } catch (error) {
    throw unusable(path, error);
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  if (!(await isThere(path))) return undefined;
  const handle = await open(path, READ);
  try {
    refuseOtherThanFile(await handle.stat());
    if (await isMountPoint(await realpath(path))) {
      throw new Unusable('it is itself a mount point, which a save cannot replace', {
        hint: 'mount the directory that holds it, not the file',
      });
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** A link that leads nowhere is there: only that its target is not. */
async function isThere(path: string): Promise<boolean> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) await realpath(path);
    return true;
  } catch (error) {
    if (errnoName(error) !== 'ENOENT') throw error;
    if (await lstat(path).catch(() => undefined))
      throw new Unusable('it is a symbolic link that leads nowhere', {
        hint: 'remove it, or put the vault where it leads',
      });
    return false;
  }
}

function refuseOtherThanFile(stats: Stats): void {
  if (stats.isFile()) return;
  throw new Unusable(stats.isDirectory() ? 'it is a directory' : 'it is not a regular file', { hint: 'move it away' });
}

class Unusable extends Error {
  readonly hint: string | undefined;

  constructor(reason: string, { hint }: { hint?: string } = {}) {
    super(reason);
    this.hint = hint;
  }
}

function unusable(path: string, cause: unknown): TazpodError {
  const hint = cause instanceof Unusable ? cause.hint : readingAdvice(cause, path);
  return new TazpodError('configuration', `cannot read the vault ${path}: ${reasonOf(cause)}`, { hint, cause });
}
