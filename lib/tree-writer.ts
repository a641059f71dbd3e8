// Makes on disk what the rules accepted, below one directory that was empty before. Paths are relative, parents are
// directories of our own making, and every name is created exclusively: nothing that stands there is opened or followed.
// Synchronous, because plain system calls in a row are ten times as fast as a promise for each.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
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
import { nameOf, type DirectoryNode, type FileNode } from './tree.ts';

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Until its contents are there, a directory is its owner's alone and writable. */
const UNFINISHED_DIRECTORY = 0o700;

export class TreeWriter implements Disposable {
  readonly #prefix: string;
  #file: { readonly descriptor: number; readonly path: Buffer; readonly mtime: number | undefined } | undefined;

  /** @param directory where to write: `.` or a path, empty */
  constructor(directory: string) {
    this.#prefix = directory === '.' ? '' : `${directory}/`;
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
      if (mtime !== undefined) futimesSync(descriptor, dateOf(mtime), dateOf(mtime));
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
    // The mode above is what is left of it by the umask, which is not ours to change.
    fchmodSync(descriptor, node.mode);
  }

  #finishChildren(directory: DirectoryNode, above: readonly string[]): void {
    for (const [name, node] of directory.children) {
      if (node.kind !== 'directory') continue;
      const components = [...above, name];
      this.#finishChildren(node, components);
      this.#attempt(nameOf(components), (at) => {
        if (node.mtime !== undefined) utimesSync(at, dateOf(node.mtime), dateOf(node.mtime));
        chmodSync(at, node.mode);
      });
    }
  }

  #at(path: Buffer): Buffer {
    return this.#prefix === '' ? path : Buffer.concat([Buffer.from(this.#prefix), path]);
  }

  #attempt(path: Buffer, act: (at: Buffer) => void): void {
    try {
      act(this.#at(path));
    } catch (error) {
      throw explained(error, path);
    }
  }
}

/** Node takes a negative number for now, but a date before 1970 for what it is. */
function dateOf(seconds: number): Date {
  return new Date(seconds * 1000);
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
