// A sealed file that is written beside its place: whole, on disk, and read back before it gets its name, so that whoever finds
// that name finds a vault that opens. Disposed of without a name, nothing of it is left.
// That the bytes open, and hold what was packed, was seen when they were made (pack.ts, gzip.ts, seal.ts): the file is as good if
// it has just these.

import { constants, lstat, rename } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

import { Descriptor } from './descriptor.ts';
import { errnoName } from './errors.ts';
import { tryLock } from './native.ts';
import { lengthOf } from './pieces.ts';
import { release } from './release.ts';
import { createTemporary, removeStaleTemporaries, type TemporaryFile } from './temporary-file.ts';
import { READ } from './vault-file.ts';

const calls = { lstat: promisify(lstat), rename: promisify(rename) };

/** The mode of a file that replaces none. */
export const PRIVATE = 0o600;

/** What is read back at a time. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Writes `sealed` to a temporary file beside `path`, syncs it, and compares what is read back.
 * @throws the system's error, or one that says that the file has other bytes; nothing is left then
 */
export async function writeVerified(path: string, sealed: readonly Buffer[], mode = PRIVATE): Promise<TemporaryFile> {
  await clearUp(path);
  const temporary = await createTemporary(path);
  try {
    await write(temporary.handle, sealed);
    // Whatever the umask took away.
    await temporary.handle.chmod(mode);
    // The kernel reads back what it is writing: nothing is lost by doing both at once. Both have to be over before the end.
    const [synced, compared] = await Promise.allSettled([
      temporary.handle.sync(),
      requireContents(temporary.path, sealed),
    ]);
    for (const step of [synced, compared]) if (step.status === 'rejected') throw step.reason;
    return temporary;
  } catch (error) {
    await temporary[Symbol.asyncDispose]();
    throw error;
  }
}

async function write(handle: Descriptor, pieces: readonly Buffer[]): Promise<void> {
  for (let rest = pieces, position = 0; rest.length > 0;) {
    const bytesWritten = await handle.write(rest, position);
    position += bytesWritten;
    rest = behind(rest, bytesWritten);
  }
}

/** What is left of the pieces behind their first bytes. */
function behind(pieces: readonly Buffer[], count: number): Buffer[] {
  let left = count;
  return pieces.flatMap((piece) => {
    const skipped = Math.min(left, piece.length);
    left -= skipped;
    return skipped === piece.length ? [] : [piece.subarray(skipped)];
  });
}

/**
 * Reads a file by its name, as the next unlock will.
 * @throws Error unless it has exactly these bytes; the system's error
 */
export async function requireContents(path: string, expected: readonly Buffer[]): Promise<void> {
  await using handle = await Descriptor.open(path, READ);
  const room = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, lengthOf(expected) + 1));
  for (let rest = expected, position = 0; ;) {
    const bytesRead = await handle.read(room, 0, room.length, position);
    const isSame = bytesRead === 0 ? lengthOf(rest) === 0 : beginsWith(rest, room.subarray(0, bytesRead));
    if (!isSame) throw new Error('what was read back is not what was written');
    if (bytesRead === 0) break;
    position += bytesRead;
    rest = behind(rest, bytesRead);
  }
  release(room);
}

function beginsWith(pieces: readonly Buffer[], bytes: Buffer): boolean {
  let at = 0;
  for (const piece of pieces) {
    const part = piece.subarray(0, bytes.length - at);
    if (!part.equals(bytes.subarray(at, at + part.length))) return false;
    at += part.length;
    if (at === bytes.length) return true;
  }
  return false;
}

/** First of all: what killed writers left takes room. Where another is writing just now, it has seen to that. */
async function clearUp(path: string): Promise<void> {
  await using directory = await Descriptor.open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  if (tryLock(directory.fd) !== 'busy') await removeStaleTemporaries(path);
}

/** Gives it its name, in place of what had it, for good. */
export async function giveName(temporary: TemporaryFile, path: string): Promise<void> {
  await calls.rename(temporary.path, path);
  await syncDirectory(dirname(path));
}

/** A name that nothing has: `PATH.KIND-20261123T211059Z`, or with a number behind it if that is taken. */
export async function freeName(path: string, kind: 'conflict' | 'rescue'): Promise<string> {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  for (let count = 1; ; count += 1) {
    const name = `${path}.${kind}-${time}${count === 1 ? '' : `-${count}`}`;
    // Its writers hold the directory's lock: looking first is enough, and works where there are no hard links.
    if (!(await calls.lstat(name).catch(() => undefined))) return name;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await Descriptor.open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // fsync(2): some file systems cannot sync a directory, and say so; nothing more can be done there.
    if (errnoName(error) !== 'EINVAL' && errnoName(error) !== 'ENOTSUP') throw error;
  }
}
