// Reads a regular file whole, at one moment: the size that its archive entry claims and the bytes that follow must agree,
// also while somebody writes to it.

import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

import { errnoName } from './errors.ts';
import { lendIfOurs } from './lent-permission.ts';
import { release } from './release.ts';

/** O_NONBLOCK: what was a file when the directory was read may be a fifo by now, and must not be waited for. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** A file that is still another size after so many readings in a row is being written all the time. */
const ATTEMPTS = 5;

/** What contents are read into, one file's after the other's: it grows to the size of the largest. */
let room = Buffer.allocUnsafeSlow(64 * 1024);

/** A file that is open for reading. */
export class OpenFile implements Disposable {
  readonly stats: Stats;
  readonly #descriptor: number;

  /**
   * Opens without following a link; a file of ours that we may not read is lent the permission.
   * @throws the system's error
   */
  constructor(path: Buffer) {
    const { descriptor, mode } = openDescriptor(path);
    this.#descriptor = descriptor;
    try {
      this.stats = fstatSync(descriptor);
      if (mode !== undefined) this.stats.mode = (this.stats.mode & ~0o7777) | mode;
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  /** Names one inode; undefined where the file has this name only. */
  get identity(): string | undefined {
    return this.stats.nlink > 1 ? identityOf(this.#descriptor) : undefined;
  }

  /** The contents, until the next file is read, or undefined when the file changed its size during every attempt. */
  read(): Buffer | undefined {
    let { size } = this.stats;
    for (let attempt = 1; ; attempt += 1) {
      // Room for one byte more, by which a file that has grown gives itself away.
      const bytes = roomFor(size + 1);
      if (fill(this.#descriptor, bytes, size) === size) return bytes.subarray(0, size);
      if (attempt === ATTEMPTS) return undefined;
      ({ size } = fstatSync(this.#descriptor));
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}

function openDescriptor(path: Buffer): { readonly descriptor: number; readonly mode?: number } {
  try {
    return { descriptor: openSync(path, READ) };
  } catch (error) {
    if (errnoName(error) !== 'EACCES') throw error;
    using lent = lendIfOurs(path, 0o400);
    if (lent === undefined) throw error;
    // The lent path is a link of /proc's own making, the only one that must be followed.
    return { descriptor: openSync(lent.path, READ & ~constants.O_NOFOLLOW), mode: lent.mode };
  }
}

/** Inode numbers may exceed what a double holds: two files must never be taken for one. */
function identityOf(descriptor: number): string {
  const { dev, ino } = fstatSync(descriptor, { bigint: true });
  return `${dev}:${ino}`;
}

function roomFor(size: number): Buffer {
  if (size > room.length) {
    release(room);
    room = Buffer.allocUnsafeSlow(size);
  }
  return room.subarray(0, size);
}

function fill(descriptor: number, bytes: Buffer, size: number): number {
  let length = 0;
  while (length < bytes.length) {
    const asked = bytes.length - length;
    const read = readSync(descriptor, bytes, length, asked, length);
    length += read;
    if (read === 0 || (read < asked && length === size)) break;
  }
  return length;
}
