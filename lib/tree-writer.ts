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
import { nameOf, PERMISSION_BITS, type DirectoryNode } from './tree.ts';

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Until its contents are there, a directory is its owner's alone and writable. */
const UNFINISHED_DIRECTORY = 0o700;

/** A file that is there for a moment, before any entry is. */
const PROBE = '.tazpod-probe';

export class TreeWriter implements Disposable {
  readonly #prefix: string;
  /** Whether files get the mode that they are created with. */
  readonly #modesHold: boolean;
  /** Of the file whose contents come. */
  #descriptor: number | undefined;
  #path = '';
  #mtime: number | undefined;

  /** @param directory where to write: `.` or a path, empty */
  constructor(directory: string) {
    this.#prefix = directory === '.' ? '' : Buffer.from(`${directory}/`).toString('latin1');
    this.#modesHold = this.#attempt(PROBE, holdsModes);
  }

  /**
   * Makes an entry; a file stays open for its contents until `endFile`.
   * @throws TazpodError `too-big` when the file system is full
   */
  place(placement: Placement, mtime: number | undefined): void {
    const { path, parents } = placement;
    for (const parent of parents) this.#attempt(parent, (at) => mkdirSync(at, UNFINISHED_DIRECTORY));
    // Here and below no closures: they cost more than some of the calls.
    try {
      this.#make(placement, this.#at(path), mtime);
    } catch (error) {
      throw explained(error, path);
    }
  }

  /** Writes a piece of the present file's contents. */
  write(piece: Buffer): void {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) throw new Error('no file is open for writing');
    try {
      for (let written = 0; written < piece.length;) written += writeSync(descriptor, piece, written);
    } catch (error) {
      throw explained(error, this.#path);
    }
  }

  /** Ends the present file, if there is one. */
  endFile(): void {
    const [descriptor, mtime] = [this.#descriptor, this.#mtime];
    if (descriptor === undefined) return;
    try {
      if (mtime !== undefined) futimesSync(descriptor, timeOf(mtime), timeOf(mtime));
      this.#descriptor = undefined;
      closeSync(descriptor);
    } catch (error) {
      throw explained(error, this.#path);
    }
  }

  /** Gives directories their modes and times, deepest first, when nothing more will be written into them. */
  finishDirectories(root: DirectoryNode): void {
    this.#finishChildren(root, []);
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #make({ path, node, replaces, linkTo }: Placement, at: Path, mtime: number | undefined): void {
    if (replaces === 'directory' && node.kind === 'directory') return;
    if (replaces === 'directory') rmdirSync(at);
    else if (replaces) unlinkSync(at);
    if (linkTo !== undefined) linkSync(this.#at(linkTo), at);
    else if (node.kind === 'directory') mkdirSync(at, UNFINISHED_DIRECTORY);
    else if (node.kind === 'symlink') symlinkSync(node.target, at);
    else {
      this.#descriptor = openSync(at, CREATE, node.mode);
      this.#path = path;
      this.#mtime = mtime;
      if (!this.#modesHold) fchmodSync(this.#descriptor, node.mode);
    }
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

  #at(path: string): Path {
    const at = this.#prefix + path;
    return BEYOND_ASCII.test(at) ? Buffer.from(at, 'latin1') : at;
  }

  #attempt<T>(path: string, act: (at: Path) => T): T {
    try {
      return act(this.#at(path));
    } catch (error) {
      throw explained(error, path);
    }
  }
}

/** As the system takes it: text where that is the same bytes, which Node hands on sooner. */
type Path = string | Buffer;

const BEYOND_ASCII = /[\x80-\xff]/;

/**
 * Tries it once, for all files: the umask, which is not ours to change, or access control lists that directories hand down
 * (acl(5)) may take bits away.
 */
function holdsModes(at: Path): boolean {
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

function explained(cause: unknown, path: string): TazpodError {
  const message = `cannot write ${quoteName(Buffer.from(path, 'latin1'))}: ${reasonOf(cause)}`;
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
