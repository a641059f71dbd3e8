// The vault file on disk: read as it is, replaced whole or not at all. What replaces it was written beside it, synced,
// read back and verified before; a crash at any moment leaves the old version or the new one.
// A file that somebody else has changed meanwhile is never overwritten.

import { constants, type Stats } from 'node:fs';
import { copyFile, link, lstat, mkdir, open, realpath, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errnoName, reasonOf, TazpodError } from './errors.ts';
import { isMountPoint } from './mount-point.ts';
import { fingerprintOf } from './seal.ts';
import { createTemporary, removeStaleTemporaries, temporaryName } from './temporary-file.ts';

/** O_NONBLOCK: opening a fifo would wait for its writer. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Reads the vault file.
 * @returns undefined where there is none: a new vault. A file that is there but cannot be read is never "new"
 * @throws TazpodError `configuration` when it is no regular file, cannot be read, or is itself a mount point
 */
export async function readVaultFile(path: string): Promise<Buffer | undefined> {
  try {
    return await readIfThere(path);
  } catch (error) {
    if (error instanceof TazpodError) throw error;
    throw unusable(path, reasonOf(error), { cause: error });
  }
}

/**
 * Replaces the vault file. Its directory is made if missing (0700); the new file has the mode of the old, 0600 if there
 * was none.
 * @param options.expected fingerprint of the version that was read or last written; undefined: there was none
 * @param options.began fingerprint of the version that the session began with (default: `expected`). The first time that
 *   version is replaced it is kept as `.bak`, in place of an older session's; versions written since are not.
 * @param options.verify unlock's own acceptance, on the bytes as they were read back from disk
 * @throws TazpodError `conflict` when the file is another version by now: the new one is at `PATH.conflict-TIME` then;
 *   `save-failed` for everything else: the old vault is as it was
 */
export async function replaceVaultFile(
  path: string,
  sealed: Buffer,
  options: {
    readonly expected: string | undefined;
    readonly began?: string | undefined;
    readonly verify: (readBack: Buffer) => Promise<void>;
  },
): Promise<void> {
  try {
    await replace(path, sealed, { began: options.expected, ...options });
  } catch (error) {
    if (error instanceof TazpodError && error.code === 'conflict') throw error;
    throw new TazpodError('save-failed', `cannot save ${path}: ${reasonOf(error)}`, {
      hint: error instanceof TazpodError ? error.hint : undefined,
      cause: error,
    });
  }
}

async function replace(
  path: string,
  sealed: Buffer,
  options: Required<Parameters<typeof replaceVaultFile>[2]>,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // A link at the vault's path stays: what it leads to is the vault.
  const target = await realpath(path).catch((error: unknown) => (errnoName(error) === 'ENOENT' ? path : raise(error)));
  await removeStaleTemporaries(target);
  await using temporary = await createTemporary(target);
  await writeAndVerify(temporary.handle, temporary.path, sealed, options.verify);

  const current = await readIfThere(target);
  const found = current && fingerprintOf(current);
  // Gone is no conflict: nothing of anybody's is there to be lost.
  if (found !== undefined && found !== options.expected) {
    const conflict = await keepAsConflict(temporary.path, target);
    throw new TazpodError('conflict', `cannot save over ${path}: it was changed by something else meanwhile`, {
      hint: `this session's version is in ${conflict}, under the same passphrase: see what differs, then keep one`,
    });
  }
  if (found !== undefined) {
    await temporary.handle.chmod((await lstat(target)).mode & 0o777);
    await temporary.handle.sync();
    if (found === options.began) await keepBackup(target);
  }
  await rename(temporary.path, target);
  await syncDirectory(dirname(target));
}

async function writeAndVerify(
  handle: FileHandle,
  path: string,
  sealed: Buffer,
  verify: (readBack: Buffer) => Promise<void>,
): Promise<void> {
  await handle.writeFile(sealed);
  await handle.sync();
  // By its name, as the next unlock will.
  await using again = await open(path, READ);
  await verify(await again.readFile());
}

/** The version that is about to be replaced, under the name `.bak`; an older one under that name is replaced at once. */
async function keepBackup(target: string): Promise<void> {
  const temporary = await temporaryName(target);
  try {
    await linkOrCopy(target, temporary);
    await rename(temporary, `${target}.bak`);
  } finally {
    await unlink(temporary).catch(() => {});
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    // No hard links on this file system, or not to somebody else's file (proc_sys_fs(5), protected_hardlinks).
    await copyFile(from, to, constants.COPYFILE_EXCL);
    await using copy = await open(to, 'r');
    await copy.sync();
  }
}

/** Gives the new version a name of its own: `PATH.conflict-20261123T211059Z`, or with a number behind it if that is taken. */
async function keepAsConflict(temporary: string, target: string): Promise<string> {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  for (let count = 1; ; count += 1) {
    const conflict = `${target}.conflict-${time}${count === 1 ? '' : `-${count}`}`;
    // Only ever two savers meet here: looking first is enough, and works where there are no hard links.
    if (await lstat(conflict).catch(() => undefined)) continue;
    await rename(temporary, conflict);
    await syncDirectory(dirname(target));
    return conflict;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // fsync(2): some file systems cannot sync a directory, and say so; nothing more can be done there.
    if (errnoName(error) !== 'EINVAL' && errnoName(error) !== 'ENOTSUP') throw error;
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  if (!(await isThere(path))) return undefined;
  await using handle = await open(path, READ);
  refuseOtherThanFile(path, await handle.stat());
  if (await isMountPoint(await realpath(path))) {
    throw unusable(path, 'it is itself a mount point, which a save cannot replace', {
      hint: 'mount the directory that holds it, not the file',
    });
  }
  return await handle.readFile();
}

/** A link that leads nowhere is there: only that its target is not. */
async function isThere(path: string): Promise<boolean> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) await realpath(path);
    return true;
  } catch (error) {
    if (errnoName(error) !== 'ENOENT') throw error;
    if (await lstat(path).catch(() => undefined)) throw unusable(path, 'it is a symbolic link that leads nowhere');
    return false;
  }
}

function refuseOtherThanFile(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  throw unusable(path, stats.isDirectory() ? 'it is a directory' : 'it is not a regular file');
}

function unusable(path: string, reason: string, options: { hint?: string; cause?: unknown } = {}): TazpodError {
  return new TazpodError('configuration', `cannot read the vault ${path}: ${reason}`, options);
}

function raise(error: unknown): never {
  throw error;
}
