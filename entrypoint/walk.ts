// A walk through the enclave: every directory that can be reached without following a link or entering another file
// system, and every name in it. By descriptors, one for each level that it is deep in; no path is ever put together.

import { errnoName } from '../lib/errors.ts';
import type { Directory } from './directory.ts';
import { type Entry, Listing } from './listing.ts';
import { openToList } from './names.ts';

/** A path has at most 4096 bytes, so that a name below cannot be told to anybody: no save finds it either. */
const MOST_LEVELS = 2048;

export interface Visitor {
  /** A directory, before what is in it. It is closed when the walk has left it. */
  readonly directory?: (directory: Directory) => void;
  readonly entry?: (entry: Entry) => void;
  /** A directory that could not be opened. */
  readonly refused?: (error: unknown) => void;
}

interface Level {
  readonly directory: Directory;
  readonly entries: Iterator<Entry>;
}

/**
 * Walks, and pauses after each entry for the caller to go on, or to leave it there.
 * @throws SystemCallError when `root` cannot be read
 */
export function* walk(root: Directory, visitor: Visitor): Generator<undefined, undefined> {
  const levels: Level[] = [];
  const listings: Listing[] = [];
  const enter = (directory: Directory): void => {
    const listing = (listings[levels.length] ??= new Listing());
    levels.push({ directory, entries: listing.of(directory) });
    visitor.directory?.(directory);
  };
  try {
    enter(openToList(root));
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const { done, value: entry } = level.entries.next();
      if (done === true) {
        levels.pop();
        level.directory.close();
        continue;
      }
      visitor.entry?.(entry);
      if (entry.isDirectory && levels.length < MOST_LEVELS) {
        const below = open(entry, visitor);
        if (below !== undefined) enter(below);
      }
      yield;
    }
  } finally {
    for (const { directory } of levels) directory.close();
    for (const listing of listings) listing[Symbol.dispose]();
  }
}

function open(entry: Entry, { refused }: Visitor): Directory | undefined {
  try {
    return entry.openDirectory();
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    refused?.(error);
    return undefined;
  }
}
