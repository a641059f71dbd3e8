// Files of a machine, only ever looked at. What is not there is "nothing"; what may not be seen is that, too, where its
// contents are asked for, and an error where it matters whether it is there.

import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  statfsSync,
  statSync,
  type Stats,
} from 'node:fs';

import { errnoName } from '../../lib/errors.ts';

/** Nothing that we read is longer; of what is, the beginning will do. */
const LONGEST = 2 ** 20;

export class Files {
  readonly #root: string;

  /** @param root what stands before every path: nothing, or the directory that holds a copy of a machine's files */
  constructor(root = '') {
    this.#root = root;
  }

  /** Where a path is on this machine. */
  path(path: string): string {
    return this.#root + path;
  }

  /** A file's text, if it can be read. */
  text(path: string): string | undefined {
    return this.bytes(path)?.toString();
  }

  /** A file's contents, if it can be read; to be wiped where they may hold a secret. */
  bytes(path: string): Buffer | undefined {
    return attempt(() => {
      // O_NONBLOCK: opening a FIFO would wait for its writer.
      const descriptor = openSync(this.path(path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
      try {
        return readWhole(descriptor);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  /**
   * Of the path itself, be it a link; nothing where nothing is.
   * @throws the system's error when that may not be known
   */
  stats(path: string): Stats | undefined {
    return unlessMissing(() => lstatSync(this.path(path)));
  }

  /** Of what the path leads to; as `stats`. */
  targetStats(path: string): Stats | undefined {
    return unlessMissing(() => statSync(this.path(path)));
  }

  /** Bytes that anybody but root may still write to the file system of a path, and whether it has room for a file's name. */
  room(path: string): { readonly bytes: number; readonly hasInodes: boolean } {
    const { bavail, bsize, files, ffree } = statfsSync(this.path(path));
    // Some file systems do not count files: they say that they have none in all.
    return { bytes: bavail * bsize, hasInodes: files === 0 || ffree > 0 };
  }

  /** Where a link leads. */
  link(path: string): string | undefined {
    return attempt(() => readlinkSync(this.path(path)));
  }

  /** Where a path leads when every link in it is followed, if it can be known. */
  realPath(path: string): string | undefined {
    const real = attempt(() => realpathSync(this.path(path)));
    return real?.startsWith(this.#root) ? real.slice(this.#root.length) : undefined;
  }

  /** The names in a directory; none where there is none. Throws as `stats`. */
  names(path: string): readonly Buffer[] {
    return unlessMissing(() => readdirSync(this.path(path), { encoding: 'buffer' })) ?? [];
  }
}

/** Runs a system call; what the system refuses is nothing. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}

function unlessMissing<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoName(error) ?? '')) throw error;
    return undefined;
  }
}

/** Files of /proc have no size: they are read until they end. */
function readWhole(descriptor: number): Buffer {
  for (let size = 4096; ; size *= 4) {
    const bytes = Buffer.alloc(size);
    let length = 0;
    for (let got = -1; got !== 0 && length < size; length += got) {
      got = readSync(descriptor, bytes, length, size - length, length);
    }
    if (length < size || size >= LONGEST) return bytes.subarray(0, length);
    bytes.fill(0);
  }
}
