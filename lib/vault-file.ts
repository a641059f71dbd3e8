// The vault file on disk, for reading: as it is, or which version it is. What is at its path and cannot be read as a vault
// is an error, never "no vault yet".

import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync, type Stats } from 'node:fs';

import { readingAdvice } from './advice.ts';
import { Descriptor } from './descriptor.ts';
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
  let descriptor: number | undefined;
  try {
    descriptor = openIfThere(path);
  } catch (error) {
    throw unusable(path, error);
  }
  if (descriptor === undefined) return undefined;
  return await beginReading(new Descriptor(descriptor), (error) => unusable(path, error));
}

/**
 * Which version a vault file is, from its two ends.
 * @returns undefined where there is none
 * @throws TazpodError `configuration` as `readVaultFile`
 */
export function fingerprintAt(path: string): string | undefined {
  try {
    const descriptor = openIfThere(path);
    if (descriptor === undefined) return undefined;
    try {
      const { size } = fstatSync(descriptor);
      const { head, tail } = FINGERPRINT_ENDS;
      const ends = Buffer.alloc(Math.min(size, head + tail));
      readSync(descriptor, ends, 0, Math.min(size, head), 0);
      if (size > head) readSync(descriptor, ends, head, ends.length - head, size - (ends.length - head));
      return fingerprintOf(ends);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw unusable(path, error);
  }
}

/** Looked at in a row, without the thread pool: the calls take less than to wait for each. */
function openIfThere(path: string): number | undefined {
  if (!isThere(path)) return undefined;
  const descriptor = openSync(path, READ);
  try {
    refuseOtherThanFile(fstatSync(descriptor));
    if (isMountPoint(realpathSync.native(path))) {
      throw new Unusable('it is itself a mount point, which a save cannot replace', {
        hint: 'mount the directory that holds it, not the file',
      });
    }
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** A link that leads nowhere is there: only that its target is not. */
function isThere(path: string): boolean {
  try {
    if (lstatSync(path).isSymbolicLink()) realpathSync.native(path);
    return true;
  } catch (error) {
    if (errnoName(error) !== 'ENOENT') throw error;
    if (lstatSync(path, { throwIfNoEntry: false }))
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
