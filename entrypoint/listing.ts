// What is in a directory of the enclave. Names of files are secrets, too: here they stay bytes in one buffer, where the
// kernel wrote them, and the kernel alone reads them; the buffer is zeroed when the listing is disposed of. Node's own
// functions would leave them in PID 1's memory, as copies of paths and in errors: none of them gets such a name.

import { chmodSync, closeSync, constants, fstatSync, ftruncateSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import type { Ids } from './accounts.ts';
import { Directory, O_PATH } from './directory.ts';
import { NAMES_BYTES, namesIn } from './names.ts';
import { cString, libc } from './native.ts';

const { O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;
const DT_DIR = 4;
/** A regular file. */
export const DT_REG = 8;

/** struct statx of statx(2), the same on every architecture: what to ask for, and where the answer is. */
const STATX = {
  uidAndChange: 0x08 | 0x80,
  ids: 0x08 | 0x10,
  bytes: 256,
  attributes: 8,
  uid: 20,
  gid: 24,
  changeSeconds: 96,
  changeNanoseconds: 104,
} as const;
const STATX_ATTR_MOUNT_ROOT = 0x2000n;

const status = Buffer.alloc(STATX.bytes);
const EMPTY = cString('');

/** A name in a directory, and what can be done to it: what fails because it is gone, or not ours, is not done. */
export class Entry {
  readonly #directory: Directory;
  readonly #name: Buffer;
  readonly #type: number;

  /**
   * @param name ends with a NUL
   * @param type `d_type` of readdir(3); tmpfs always knows it
   */
  constructor(directory: Directory, name: Buffer, type: number = DT_DIR) {
    this.#directory = directory;
    this.#name = name;
    this.#type = type;
  }

  get isDirectory(): boolean {
    return this.#type === DT_DIR;
  }

  /**
   * Its owner, and the nanoseconds since the epoch at its last change, of whatever kind; undefined when it is gone, or
   * something is mounted there, which is nothing of ours.
   */
  stat(): { readonly uid: number; readonly changed: bigint } | undefined {
    const { descriptor } = this.#directory;
    if (libc.statx(descriptor, this.#name, AT_SYMLINK_NOFOLLOW, STATX.uidAndChange, status) !== 0) return undefined;
    if ((status.readBigUInt64LE(STATX.attributes) & STATX_ATTR_MOUNT_ROOT) !== 0n) return undefined;
    const seconds = status.readBigInt64LE(STATX.changeSeconds);
    return {
      uid: status.readUInt32LE(STATX.uid),
      changed: seconds * 1_000_000_000n + BigInt(status.readUInt32LE(STATX.changeNanoseconds)),
    };
  }

  /**
   * Opens a directory to list it.
   * @throws SystemCallError as `Directory.openBeneath`
   */
  openDirectory(): Directory {
    return Directory.adopt(this.#directory.openEntry(this.#name, O_RDONLY | O_DIRECTORY));
  }

  /** Makes it somebody's; a link itself, not what it leads to. */
  give(uid: number, gid: number): void {
    libc.fchownat(this.#directory.descriptor, this.#name, uid, gid, AT_SYMLINK_NOFOLLOW);
  }

  /**
   * Opens it to give it away, if that is wanted of what belongs to its uid and gid: the very file that was asked about, whatever
   * has its name by then. A link itself; nothing that is mounted there.
   * @param next who gets what belongs to a uid and gid; undefined for what stays as it is
   * @throws SystemCallError as `Directory.openEntry`
   */
  openToGive(next: (uid: number, gid: number) => Ids | undefined): { file: number; owner: Ids } | undefined {
    // Most are nobody's that we look for: they are not opened.
    if (libc.statx(this.#directory.descriptor, this.#name, AT_SYMLINK_NOFOLLOW, STATX.ids, status) !== 0)
      return undefined;
    if (nextOwner(next) === undefined) return undefined;
    const file = this.#directory.openEntry(this.#name, O_PATH);
    const owner = libc.statx(file, EMPTY, AT_EMPTY_PATH, STATX.ids, status) === 0 ? nextOwner(next) : undefined;
    if (owner !== undefined) return { file, owner };
    closeSync(file);
    return undefined;
  }

  /** Cuts a file to nothing, for all that have it open or mapped, and removes the name. */
  remove(): void {
    this.cut();
    libc.unlinkat(this.#directory.descriptor, this.#name, 0);
  }

  /** Cuts a file to nothing. */
  cut(): void {
    // Only a regular file holds contents; opening a device or a fifo could do more than that.
    if (this.#type !== DT_REG) return;
    this.allow();
    const file = this.#open(O_WRONLY | O_NONBLOCK);
    if (file === undefined) return;
    try {
      if (fstatSync(file).isFile()) ftruncateSync(file, 0);
    } finally {
      closeSync(file);
    }
  }

  /** Removes a directory that is empty. */
  removeDirectory(): void {
    libc.unlinkat(this.#directory.descriptor, this.#name, AT_REMOVEDIR);
  }

  /** Moves it. @param name ends with a NUL */
  move(directory: Directory, name: Buffer): void {
    libc.renameat(this.#directory.descriptor, this.#name, directory.descriptor, name);
  }

  /** Not as root, the owner of a directory or file without permissions has to give them to itself first. */
  allow(): void {
    if (process.getuid?.() === 0) return;
    const file = this.#open(O_PATH);
    if (file === undefined) return;
    try {
      chmodSync(`/proc/self/fd/${file}`, 0o700);
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
    } finally {
      closeSync(file);
    }
  }

  #open(flags: number): number | undefined {
    try {
      return this.#directory.openEntry(this.#name, flags);
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
      return undefined;
    }
  }
}

/** Of what `status` tells. */
function nextOwner(next: (uid: number, gid: number) => Ids | undefined): Ids | undefined {
  return next(status.readUInt32LE(STATX.uid), status.readUInt32LE(STATX.gid));
}

/** The names in one directory after the other. Disposing forgets them. */
export class Listing implements Disposable {
  readonly #buffer = Buffer.allocUnsafeSlow(NAMES_BYTES);

  /**
   * The entries of a directory that was opened to list it; each is good until the next is asked for.
   * @throws SystemCallError
   */
  *of(directory: Directory): Generator<Entry, undefined> {
    for (const { name, type } of namesIn(directory, this.#buffer)) yield new Entry(directory, name, type);
  }

  [Symbol.dispose](): void {
    this.#buffer.fill(0);
  }
}
