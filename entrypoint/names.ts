// The names in a directory, as bytes where the kernel has written them (getdents(2)): they are secrets, too (listing.ts).

import { constants } from 'node:fs';

import { Directory } from './directory.ts';
import { check, cString, libc } from './native.ts';

const { O_DIRECTORY, O_RDONLY } = constants;

/** Room for a hundred names or so; the longest take 280 bytes each. */
export const NAMES_BYTES = 4096;

/** struct linux_dirent64: length of the record, type, name. */
const DIRENT = { length: 16, type: 18, name: 19 } as const;

/** Opens a directory once more, to list it. @throws SystemCallError */
export function openToList(directory: Directory): Directory {
  return Directory.adopt(directory.openEntry(cString('.'), O_RDONLY | O_DIRECTORY));
}

/**
 * The names in a directory that was opened to list it, but for `.` and `..`; each is good until the next is asked for.
 * @param buffer where they get to, of NAMES_BYTES
 * @returns names with their NULs, and their `d_type` of readdir(3)
 * @throws SystemCallError
 */
export function* namesIn(directory: Directory, buffer: Buffer): Generator<{ name: Buffer; type: number }, undefined> {
  for (;;) {
    const end = check('getdents64', Number(libc.getdents64(directory.descriptor, buffer, BigInt(buffer.length))));
    if (end === 0) return;
    for (let at = 0, next; at < end; at = next) {
      next = at + buffer.readUInt16LE(at + DIRENT.length);
      const name = buffer.subarray(at + DIRENT.name, next);
      if (!isDots(name)) yield { name, type: buffer.readUInt8(at + DIRENT.type) };
    }
  }
}

/** Whether nothing is in a directory. @throws SystemCallError */
export function isEmpty(directory: Directory): boolean {
  const buffer = Buffer.alloc(NAMES_BYTES);
  using opened = openToList(directory);
  try {
    return namesIn(opened, buffer).next().done === true;
  } finally {
    buffer.fill(0);
  }
}

/** `.` and `..`, which every directory lists. */
function isDots(name: Buffer): boolean {
  const DOT = 0x2e;
  return name[0] === DOT && (name[1] === 0 || (name[1] === DOT && name[2] === 0));
}
