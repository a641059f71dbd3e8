// A file that is written beside the one it will replace, and removed again unless it came to that. Its writer holds a lock on
// it, as of flock(2), that ends with the writer. So what a killed one left is cleaned up by the next, in whichever container,
// and what a living one is writing is not.

import { constants, lstat, readdir, unlink } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { Descriptor } from './descriptor.ts';
import { tryLock } from './native.ts';

const calls = { lstat: promisify(lstat), readdir: promisify(readdir), unlink: promisify(unlink) };

/** Where there are no locks: nobody takes this long to write a vault. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/** What follows `PATH.tmp-` in the names that we make. */
const MARK = /^[0-9a-f]{16}$/;

export interface TemporaryFile extends AsyncDisposable {
  readonly path: string;
  readonly handle: Descriptor;
}

/**
 * Creates an empty file of mode 0600 in the directory of `path`. Disposing of it closes it and removes its name, if it
 * still has that.
 * @throws the system's error
 */
export async function createTemporary(path: string): Promise<TemporaryFile> {
  for (;;) {
    const temporary = temporaryName(path);
    const handle = await Descriptor.open(temporary, 'wx', 0o600);
    // One who cleans up may have found it before it was locked.
    if (tryLock(handle.fd) === 'busy' || (await handle.stat()).nlink === 0) {
      await handle.close();
      continue;
    }
    return {
      path: temporary,
      handle,
      async [Symbol.asyncDispose]() {
        await handle.close();
        await calls.unlink(temporary).catch(() => {});
      },
    };
  }
}

/** A name beside `path` that nobody else takes. What is to have it without a lock of its own needs the directory's. */
export function temporaryName(path: string): string {
  return `${path}.tmp-${randomBytes(8).toString('hex')}`;
}

/** Removes the temporary files of `path` whose writers are gone. The caller holds the directory's lock. */
export async function removeStaleTemporaries(path: string): Promise<void> {
  const directory = dirname(path);
  const prefix = `${basename(path)}.tmp-`;
  for (const name of await calls.readdir(directory)) {
    if (!name.startsWith(prefix) || !MARK.test(name.slice(prefix.length))) continue;
    // One that cannot be looked at is not ours to remove.
    await removeIfStale(join(directory, name)).catch(() => {});
  }
}

async function removeIfStale(path: string): Promise<void> {
  await using handle = await Descriptor.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const lock = tryLock(handle.fd);
  if (lock === 'busy') return;
  const age = Date.now() - (await calls.lstat(path)).mtimeMs;
  if (lock === 'locked' || age > ABANDONED_AFTER_MS) await calls.unlink(path);
}
