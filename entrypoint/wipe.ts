// Wiping the enclave: the passphrase cache first, then every file cut to nothing and every name removed.
// By descriptors, no link followed, no other device entered. Directories below the first level are moved up to it before
// they are emptied, so that no tree is too deep for the stack or for the descriptors we may have.
// Wiping comes before unmounting: a process may hold the mount open, or keep it in a mount namespace of its own; what
// they hold then is empty.

import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  fstatSync,
} from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import type { Directory } from './directory.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** How often names that appear while we wipe are gone after. The unmount ends the race for good. */
const PASSES = 16;

/**
 * Wipes everything in the directory, which is the root of the file system `device`.
 * @returns whether nothing is left
 */
export function wipe(root: Directory, device: number): boolean {
  empty(root.path(PASSPHRASE_CACHE_NAME));
  let moved = 0;
  for (let pass = 0; pass < PASSES; pass++) {
    // Directories that were moved up lengthen the list while it is worked on.
    const names = list(root.path());
    if (names.length === 0) return true;
    for (const name of names) {
      const path = root.path(name);
      if (!isDirectory(path)) {
        remove(path);
        continue;
      }
      chmodQuietly(path);
      const directory = openQuietly(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (directory === undefined) continue;
      try {
        if (fstatSync(directory).dev !== device) continue;
        for (const child of list(`/proc/self/fd/${directory}`)) {
          const childPath = Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), child]);
          if (!isDirectory(childPath)) {
            remove(childPath);
            continue;
          }
          // A directory of another owner moves only if it can be written to: its ".." changes.
          chmodQuietly(childPath);
          const up = Buffer.from(`.wiped-${moved++}`);
          quietly(() => renameSync(childPath, root.path(up)));
          names.push(up);
        }
      } finally {
        closeSync(directory);
      }
      quietly(() => rmdirSync(path));
    }
  }
  return list(root.path()).length === 0;
}

/** Cuts a file to nothing, for all that have it open or mapped, and removes its name. */
function remove(path: Buffer): void {
  empty(path);
  quietly(() => unlinkSync(path));
}

function empty(path: string | Buffer): void {
  // Only a regular file holds contents; opening a device or a fifo could do more than that.
  const stats = quietly(() => lstatSync(path));
  if (stats?.isFile() !== true) return;
  if (process.getuid?.() !== 0) chmodQuietly(path);
  const file = openQuietly(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
  if (file === undefined) return;
  try {
    ftruncateSync(file, 0);
  } finally {
    closeSync(file);
  }
}

function list(path: string): Buffer[] {
  return quietly(() => readdirSync(path, { encoding: 'buffer' })) ?? [];
}

function isDirectory(path: Buffer): boolean {
  return quietly(() => lstatSync(path))?.isDirectory() === true;
}

/** Not as root, the owner of a directory or file without permissions has to give them to itself first. */
function chmodQuietly(path: string | Buffer): void {
  if (process.getuid?.() !== 0) quietly(() => chmodSync(path, 0o700));
}

function openQuietly(path: string | Buffer, flags: number): number | undefined {
  return quietly(() => openSync(path, flags));
}

/** One name that resists must not keep the others: whether anything is left is asked at the end. */
function quietly<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}
