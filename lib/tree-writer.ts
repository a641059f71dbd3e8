// Makes on disk what the rules accepted, below one directory that was empty before. Paths are relative, parents are
// directories of our own making, and every name is created exclusively: nothing that stands there is opened or followed.
// Synchronous, because plain system calls in a row are ten times as fast as a promise for each.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  linkSync,
  mkdirSync,
  openSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';

import type { Placement } from './entry-rules.ts';
import { errnoName, reasonOf, TazpodError } from './errors.ts';
import { quoteName } from './escape.ts';
import { nameOf, PERMISSION_BITS, type DirectoryNode, type FileNode } from './tree.ts';

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Until its contents are there, a directory is its owner's alone and writable. */
const UNFINISHED_DIRECTORY = 0o700;

/** A file that is there for a moment, before any entry is. */
const PROBE = Buffer.from('.tazpod-probe');

export class TreeWriter implements Disposable {
  readonly #prefix: string;
  /** Whether files get the mode that they are created with. */
  readonly #modesHold: boolean;
  #file: { readonly descriptor: number; readonly path: Buffer; readonly mtime: number | undefined } | undefined;

  /** @param directory where to write: `.` or a path, empty */
  constructor(directory: string) {
    this.#prefix = directory === '.' ? '' : `${directory}/`;
    this.#modesHold = this.#attempt(PROBE, holdsModes);
  }

  /**
   * Makes an entry; a file stays open for its contents until `endFile`.
   * @throws TazpodError `too-big` when the file system is full
   */
  place(placement: Placement, mtime: number | undefined): void {
    const { path, node, parents, replaces, linkTo } = placement;
    for (const parent of parents) this.#attempt(parent, (at) => mkdirSync(at, UNFINISHED_DIRECTORY));
    this.#attempt(path, (at) => {
      if (replaces === 'directory' && node.kind === 'directory') return;
      if (replaces === 'directory') rmdirSync(at);
      else if (replaces) unlinkSync(at);
      if (linkTo) linkSync(this.#at(linkTo), at);
      else if (node.kind === 'directory') mkdirSync(at, UNFINISHED_DIRECTORY);
      else if (node.kind === 'symlink') symlinkSync(node.target, at);
      else this.#create(at, path, node, mtime);
    });
  }

  /** Writes a piece of the present file's contents. */
  write(piece: Buffer): void {
    const file = this.#file;
    if (file === undefined) throw new Error('no file is open for writing');
    this.#attempt(file.path, () => {
      for (let written = 0; written < piece.length;) written += writeSync(file.descriptor, piece, written);
    });
  }

  /** Ends the present file, if there is one. */
  endFile(): void {
    const file = this.#file;
    if (file === undefined) return;
    const { descriptor, path, mtime } = file;
    this.#attempt(path, () => {
      if (mtime !== undefined) futimesSync(descriptor, timeOf(mtime), timeOf(mtime));
      this.#file = undefined;
      closeSync(descriptor);
    });
  }

  /** Gives directories their modes and times, deepest first, when nothing more will be written into them. */
  finishDirectories(root: DirectoryNode): void {
    this.#finishChildren(root, []);
  }

  [Symbol.dispose](): void {
    if (this.#file) closeSync(this.#file.descriptor);
    this.#file = undefined;
  }

  #create(at: Buffer, path: Buffer, node: FileNode, mtime: number | undefined): void {
    const descriptor = openSync(at, CREATE, node.mode);
    this.#file = { descriptor, path, mtime };
    if (!this.#modesHold) fchmodSync(descriptor, node.mode);
  }

  #finishChildren(directory: DirectoryNode, above: readonly string[]): void {
    for (const [name, node] of directory.children) {
      if (node.kind !== 'directory') continue;
      const components = [...above, name];
      this.#finishChildren(node, components);
      this.#attempt(nameOf(components), (at) => {
        if (node.mtime !== undefined) utimesSync(at, timeOf(node.mtime), timeOf(node.mtime));
        chmodSync(at, node.mode);
      });
    }
  }

  #at(path: Buffer): Buffer {
    return this.#prefix === '' ? path : Buffer.concat([Buffer.from(this.#prefix), path]);
  }

  #attempt<T>(path: Buffer, act: (at: Buffer) => T): T {
    try {
      return act(this.#at(path));
    } catch (error) {
      throw explained(error, path);
    }
  }
}

/**
 * Tries it once, for all files: the umask, which is not ours to change, or access control lists that directories hand down
 * (acl(5)) may take bits away.
 */
function holdsModes(at: Buffer): boolean {
  const descriptor = openSync(at, CREATE, PERMISSION_BITS);
  try {
    return (fstatSync(descriptor).mode & PERMISSION_BITS) === PERMISSION_BITS;
  } finally {
    closeSync(descriptor);
    unlinkSync(at);
  }
}

/** Node takes a negative number for now, but a date before 1970 for what it is; a date costs more to make. */
function timeOf(seconds: number): number | Date {
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}

function explained(cause: unknown, path: Buffer): TazpodError {
  const message = `cannot write ${quoteName(path)}: ${reasonOf(cause)}`;
  switch (errnoName(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new TazpodError('too-big', message, {
        hint: 'raise TAZPOD_ENCLAVE_SIZE (tazpod vault extract: find more space): every file takes whole pages of 4 KiB',
        cause,
      });
    case 'ENAMETOOLONG':
      return new TazpodError('refused-entry', message, { cause });
    case undefined:
    default:
      return new TazpodError('unexpected', message, { cause });
  }
}
