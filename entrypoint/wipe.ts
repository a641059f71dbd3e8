// Wiping the enclave: the passphrase cache first, then every file cut to nothing and every name removed.
// By descriptors, no link followed, no other device entered. Directories below the first level are moved up to it before
// they are emptied, so that no tree is too deep for the stack or for the descriptors we may have.
// Each directory becomes root's before it is emptied, so that nobody who works in it can add to it any more.
// Wiping comes before unmounting: a process may hold the mount open, or keep it in a mount namespace of its own; what
// they hold then is empty.

import { chmodSync, chownSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import type { Directory } from './directory.ts';
import { DT_REG, Entry, Listing } from './listing.ts';
import { isEmpty, openToList } from './names.ts';
import { cString } from './native.ts';

/** How often names that appear while we wipe are gone after: root may still add some, and without root so may the operator. */
const PASSES = 16;

/**
 * Wipes everything in the directory, which is the root of its file system. Where we are root, it is root's afterwards, without
 * permissions.
 * @returns whether nothing is left
 */
export function wipe(root: Directory): boolean {
  new Entry(root, cString(PASSPHRASE_CACHE_NAME), DT_REG).cut();
  take(root);
  using names = new Listing();
  using below = new Listing();
  let moved = 0;

  const empty = (entry: Entry): void => {
    using directory = entry.openDirectory();
    take(directory);
    for (const child of below.of(directory)) {
      if (!child.isDirectory) {
        child.remove();
        continue;
      }
      // A directory of another owner moves only if it can be written to: its ".." changes.
      child.allow();
      child.move(root, nameAbove(moved++));
    }
  };
  const clear = (entry: Entry): void => {
    if (!entry.isDirectory) {
      entry.remove();
      return;
    }
    entry.allow();
    quietly(() => empty(entry));
    entry.removeDirectory();
  };

  let cleared = 0;
  for (let pass = 0; pass < PASSES; pass++) {
    const isDone = quietly(() => {
      using top = openToList(root);
      for (const entry of names.of(top)) clear(entry);
      while (cleared < moved) clear(new Entry(root, nameAbove(cleared++)));
      return isEmpty(root);
    });
    if (isDone === true) return true;
  }
  return false;
}

/** Takes a directory from the operator. Who is not root is the operator, which may have taken its permissions from itself. */
function take(directory: Directory): void {
  const isRoot = process.getuid?.() === 0;
  quietly(() => chmodSync(directory.path(), isRoot ? 0 : 0o700));
  if (isRoot) quietly(() => chownSync(directory.path(), 0, 0));
}

/** What a directory is called when it has been moved up. */
function nameAbove(number: number): Buffer {
  return cString(`.wiped-${number}`);
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
