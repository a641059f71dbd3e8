// A file that is written beside the one it will replace, and removed again unless it came to that. Its name tells whose it
// is (process, and the pid namespace that the process number counts in), so that what a killed writer left is cleaned up
// by the next, and what a living one is writing is not.

import { lstat, open, readdir, readlink, unlink, type FileHandle } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';

/** A writer in another pid namespace cannot be asked after: nobody takes this long to write a vault. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

export interface TemporaryFile extends AsyncDisposable {
  readonly path: string;
  readonly handle: FileHandle;
}

/**
 * Creates an empty file of mode 0600 in the directory of `path`. Disposing of it closes it and removes its name, if it
 * still has that.
 * @throws the system's error
 */
export async function createTemporary(path: string): Promise<TemporaryFile> {
  const temporary = await temporaryName(path);
  const handle = await open(temporary, 'wx', 0o600);
  return {
    path: temporary,
    handle,
    async [Symbol.asyncDispose]() {
      await handle.close();
      await unlink(temporary).catch(() => {});
    },
  };
}

/** A name beside `path` that nobody else takes. */
export async function temporaryName(path: string): Promise<string> {
  return `${path}.tmp-${await namespaceId()}-${await readlink('/proc/self')}-${randomBytes(4).toString('hex')}`;
}

/** Removes the temporary files of `path` whose writers are gone. */
export async function removeStaleTemporaries(path: string): Promise<void> {
  const directory = dirname(path);
  const prefix = `${basename(path)}.tmp-`;
  const names = await readdir(directory);
  for (const name of names.filter((name) => name.startsWith(prefix))) {
    if (await isStale(join(directory, name), name.slice(prefix.length))) {
      await unlink(join(directory, name)).catch(() => {});
    }
  }
}

async function isStale(path: string, mark: string): Promise<boolean> {
  const [, namespace, pid] = /^(\d+)-(\d+)-[0-9a-f]{8}$/.exec(mark) ?? [];
  if (pid === undefined) return false;
  if (namespace === (await namespaceId()) && !(await exists(`/proc/${pid}`))) return true;
  const stats = await lstat(path).catch(() => undefined);
  return stats !== undefined && Date.now() - stats.mtimeMs > ABANDONED_AFTER_MS;
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

/** pid_namespaces(7): the number in `pid:[4026531836]`. */
async function namespaceId(): Promise<string> {
  return /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0] ?? '0';
}
