// Makes on disk what the rules accepted, below one directory that was empty before. Paths are relative, parents are
// directories of our own making, and every name is created exclusively: nothing that stands there is opened or followed.
// Synchronous, because plain system calls in a row are ten times as fast as a promise for each.

import {
  chmodSync,
  closeSync,
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
import { CREATE, SecondWriter } from './second-writer.ts';
import { nameOf, PERMISSION_BITS, type DirectoryNode } from './tree.ts';
import { unwritable } from './unwritable.ts';

/** Until its contents are there, a directory is its owner's alone and writable. */
const UNFINISHED_DIRECTORY = 0o700;

/** A file that is there for a moment, before any entry is. */
const PROBE = '.tazpod-probe';

/** Where so many first files are small, a second writer is begun: others take the kernel longer to write than to make. */
const FIRST_FILES = 50;
const SMALL_BYTES = 8 * 1024;

export class TreeWriter implements Disposable {
  readonly #prefix: string;
  /** Whether files get the mode that they are created with. */
  readonly #modesHold: boolean;
  readonly #mayBeMany: boolean;
  /** Of the file whose contents come. */
  #descriptor: number | undefined;
  #path = '';
  #mtime: number | undefined;
  /** How many files there were, and bytes in them. */
  #files = 0;
  #bytes = 0;
  #second: SecondWriter | undefined;
  /** Whether the present file is the second writer's. */
  #isHandedOver = false;

  /**
   * @param directory where to write: `.` or a path, empty
   * @param mayBeMany whether thousands of files may come
   */
  constructor(directory: string, mayBeMany: boolean) {
    this.#prefix = directory === '.' ? '' : Buffer.from(`${directory}/`).toString('latin1');
    this.#modesHold = this.#attempt(PROBE, holdsModes);
    this.#mayBeMany = mayBeMany;
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
      throw unwritable(error, path);
    }
  }

  /** Writes a piece of the present file's contents. */
  write(piece: Buffer): void {
    if (this.#isHandedOver) {
      this.#second?.add(piece);
      return;
    }
    const descriptor = this.#descriptor;
    if (descriptor === undefined) throw new Error('no file is open for writing');
    try {
      for (let written = 0; written < piece.length;) written += writeSync(descriptor, piece, written);
    } catch (error) {
      throw unwritable(error, this.#path);
    }
  }

  /** Ends the present file, if there is one. */
  endFile(): void {
    this.#isHandedOver = false;
    const descriptor = this.#descriptor;
    const mtime = this.#mtime;
    if (descriptor === undefined) return;
    try {
      if (mtime !== undefined) futimesSync(descriptor, timeOf(mtime), timeOf(mtime));
      this.#descriptor = undefined;
      closeSync(descriptor);
    } catch (error) {
      throw unwritable(error, this.#path);
    }
  }

  /** Gives directories their modes and times, deepest first, when nothing more will be written into them. */
  finishDirectories(root: DirectoryNode): void {
    this.#second?.settle();
    this.#finishChildren(root, []);
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#second?.[Symbol.dispose]();
  }

  #make({ path, node, replaces, linkTo }: Placement, at: Path, mtime: number | undefined): void {
    if (replaces === 'directory' && node.kind === 'directory') return;
    // What it replaces or links to may be on its way.
    if (replaces !== undefined || linkTo !== undefined) this.#second?.settle();
    if (replaces === 'directory') rmdirSync(at);
    else if (replaces) unlinkSync(at);
    if (linkTo !== undefined) linkSync(this.#at(linkTo), at);
    else if (node.kind === 'directory') mkdirSync(at, UNFINISHED_DIRECTORY);
    else if (node.kind === 'symlink') symlinkSync(node.target, at);
    else {
      const { size } = node.content;
      this.#bytes += size;
      this.#files += 1;
      if (this.#files === FIRST_FILES && this.#mayBeMany && this.#bytes <= FIRST_FILES * SMALL_BYTES) {
        this.#second = SecondWriter.begin(!this.#modesHold);
      }
      this.#isHandedOver = this.#second?.takes(this.#prefix + path, node.mode, size, mtime) ?? false;
      if (this.#isHandedOver) return;
      this.#descriptor = openSync(at, CREATE, node.mode);
      this.#path = path;
      this.#mtime = mtime;
      if (!this.#modesHold) fchmodSync(this.#descriptor, node.mode);
    }
  }

  #finishChildren(directory: DirectoryNode, above: readonly string[]): void {
    // A loop would make an array for each of the files, which are passed over.
    directory.children.forEach((node, name) => {
      if (node.kind !== 'directory') return;
      const components = [...above, name];
      this.#finishChildren(node, components);
      this.#attempt(nameOf(components), (at) => {
        if (node.mtime !== undefined) utimesSync(at, timeOf(node.mtime), timeOf(node.mtime));
        chmodSync(at, node.mode);
      });
    });
  }

  #at(path: string): Path {
    const at = this.#prefix + path;
    return BEYOND_ASCII.test(at) ? Buffer.from(at, 'latin1') : at;
  }

  #attempt<T>(path: string, act: (at: Path) => T): T {
    try {
      return act(this.#at(path));
    } catch (error) {
      throw unwritable(error, path);
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
