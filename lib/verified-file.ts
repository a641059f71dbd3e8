// A sealed file that is written beside its place: whole, on disk, read back and verified before it gets its name, so that
// whoever finds that name finds a vault that opens. Disposed of without a name, nothing of it is left.

import { constants } from 'node:fs';
import { lstat, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errnoName } from './errors.ts';
import { tryLock } from './flock.ts';
import { readWhole } from './read-whole.ts';
import { createTemporary, removeStaleTemporaries, type TemporaryFile } from './temporary-file.ts';
import { READ } from './vault-file.ts';

/** Unlock's own acceptance, on the bytes as they were read back from disk; their memory may be given back. */
export type Verify = (readBack: Buffer) => Promise<void>;

/**
 * Writes `sealed` to a temporary file beside `path`, syncs it, and has it verified. Its mode is 0600.
 * @throws the system's error, or what `verify` throws; nothing is left then
 */
export async function writeVerified(path: string, sealed: Buffer, verify: Verify): Promise<TemporaryFile> {
  await clearUp(path);
  const temporary = await createTemporary(path);
  try {
    await temporary.handle.writeFile(sealed);
    await temporary.handle.sync();
    // By its name, as the next unlock will.
    await using again = await open(temporary.path, READ);
    await verify(await readWhole(again));
    return temporary;
  } catch (error) {
    await temporary[Symbol.asyncDispose]();
    throw error;
  }
}

/** First of all: what killed writers left takes room. Where another is writing just now, it has seen to that. */
async function clearUp(path: string): Promise<void> {
  await using directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  if (tryLock(directory.fd) !== 'busy') await removeStaleTemporaries(path);
}

/** Gives it its name, in place of what had it, for good. */
export async function giveName(temporary: TemporaryFile, path: string): Promise<void> {
  await rename(temporary.path, path);
  await syncDirectory(dirname(path));
}

/** A name that nothing has: `PATH.KIND-20261123T211059Z`, or with a number behind it if that is taken. */
export async function freeName(path: string, kind: 'conflict' | 'rescue'): Promise<string> {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  for (let count = 1; ; count += 1) {
    const name = `${path}.${kind}-${time}${count === 1 ? '' : `-${count}`}`;
    // Its writers hold the directory's lock: looking first is enough, and works where there are no hard links.
    if (!(await lstat(name).catch(() => undefined))) return name;
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
