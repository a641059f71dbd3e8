// Opening directories without following anything that the operator can change: component by component, no links
// (openat2(2)), and from then on by descriptor. A name in an open directory is `/proc/self/fd/N/name`: the kernel
// resolves that from the descriptor, whatever has become of the path since.

import { closeSync, fstatSync, type Stats } from 'node:fs';
import { constants } from 'node:fs';

import { cString, systemCall } from './native.ts';

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Linux's value on all of its architectures that Node runs on; Node does not name it. open(2). */
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const HANDLE = O_PATH | O_DIRECTORY;
const AT_FDCWD = -100;
const RESOLVE_NO_XDEV = 0x01;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_HERE = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH | RESOLVE_NO_XDEV;

/** A directory held by a descriptor; closed when its scope ends. */
export class Directory implements Disposable {
  #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** -1 once it is closed: its number may be another file's by then. */
  get descriptor(): number {
    return this.#descriptor;
  }

  /**
   * Opens a directory by its absolute path: none of its components may be a link.
   * @throws SystemCallError `ELOOP` for a link, `ENOTDIR`, `ENOENT`, …
   */
  static open(path: string | Buffer): Directory {
    return new Directory(openat2(AT_FDCWD, cString(path), HANDLE, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS));
  }

  /** Takes over a descriptor that is open already. */
  static adopt(descriptor: number): Directory {
    return new Directory(descriptor);
  }

  /**
   * Opens a directory in this one, on the same file system (no mount point is crossed).
   * @throws SystemCallError `ELOOP` for a link, `EXDEV` for a mount point, `ENOTDIR`, `ENOENT`, …
   */
  openBeneath(name: string | Buffer): Directory {
    return new Directory(openat2(this.descriptor, cString(name), HANDLE, RESOLVE_HERE));
  }

  /**
   * Opens what is in this directory; as `openBeneath`, links and mount points are refused.
   * @param name ends with a NUL, and is not copied
   * @param flags of open(2)
   * @returns a descriptor
   * @throws SystemCallError
   */
  openEntry(name: Buffer, flags: number): number {
    return openat2(this.descriptor, name, flags, RESOLVE_HERE);
  }

  /** As `openBeneath`, but shows what is mounted there, if anything is. */
  openMounted(name: string): Directory {
    const how = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
    return new Directory(openat2(this.descriptor, cString(name), HANDLE, how));
  }

  /** A path for Node's functions: of this directory, or of a name in it. */
  path(): string;
  path(name: string): string;
  path(name: Buffer): Buffer;
  path(name?: string | Buffer): string | Buffer {
    const own = `/proc/self/fd/${this.descriptor}`;
    if (name === undefined) return own;
    return typeof name === 'string' ? `${own}/${name}` : Buffer.concat([Buffer.from(`${own}/`), name]);
  }

  stat(): Stats {
    return fstatSync(this.descriptor);
  }

  /** Does nothing the second time. */
  close(): void {
    if (this.#descriptor === -1) return;
    closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function openat2(from: number, path: Buffer, flags: number, resolve: number): number {
  // struct open_how: flags, mode, resolve, 64 bits each.
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_NOFOLLOW | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  return systemCall('openat2', from, path, how, how.length);
}
