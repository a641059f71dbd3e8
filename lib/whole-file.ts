// Reads a regular file whole, at one moment: the size that its archive entry claims and the bytes that follow must agree,
// also while somebody writes to it.

import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';

import { errnoName } from './errors.ts';
import { lendIfOurs } from './lent-permission.ts';

/** O_NONBLOCK: what was a file when the directory was read may be a fifo by now, and must not be waited for. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** A file that is still another size after so many readings in a row is being written all the time. */
const ATTEMPTS = 5;

export interface OpenFile extends Disposable {
  readonly stats: Stats;
  /** Names one inode; undefined where the file has this name only. */
  readonly identity: string | undefined;
  /** The contents, or undefined when the file changed its size during every attempt. */
  read(): Buffer | undefined;
}

/**
 * Opens without following a link; a file of ours that we may not read is lent the permission.
 * @throws the system's error
 */
export function openFile(path: Buffer): OpenFile {
  const { descriptor, mode } = openDescriptor(path);
  try {
    const stats = fstatSync(descriptor);
    stats.mode = mode === undefined ? stats.mode : (stats.mode & ~0o7777) | mode;
    return {
      stats,
      identity: stats.nlink > 1 ? identityOf(descriptor) : undefined,
      read: () => readWhole(descriptor),
      [Symbol.dispose]: () => closeSync(descriptor),
    };
  } catch (error) {
    closeSync(descriptor);
    throw error;
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

function readWhole(descriptor: number): Buffer | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const { size } = fstatSync(descriptor);
    // Room for one byte more, by which a file that has grown gives itself away.
    const bytes = Buffer.allocUnsafe(size + 1);
    const length = fill(descriptor, bytes, size);
    if (length === size) return bytes.subarray(0, size);
  }
  return undefined;
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
