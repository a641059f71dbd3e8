// A directory that appears whole or not at all: filled beside its place under a temporary name, then renamed there.
// Until it is kept, disposing removes everything that was written, whatever permission bits it has.

import { chmodSync, lstatSync, mkdtempSync, readdirSync, renameSync, rmdirSync, type Stats, unlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';

export class NewDirectory implements Disposable {
  /** Where it is filled. */
  readonly path: string;
  readonly #place: string;
  readonly #mode: number;
  #kept = false;

  /**
   * @param place must not exist yet, or be an empty directory, whose permission bits are then kept (0700 else)
   * @throws TazpodError `usage` when something is there, `configuration` when nothing can be made there
   */
  constructor(place: string) {
    this.#place = resolve(place);
    this.#mode = modeOfEmpty(this.#place);
    try {
      this.path = mkdtempSync(join(dirname(this.#place), `.${basename(this.#place)}.tazpod-`));
    } catch (error) {
      throw notMade(place, error);
    }
  }

  /** Puts it in its place. @throws TazpodError `usage` or `configuration` when something has appeared there */
  keep(): void {
    try {
      chmodSync(this.path, this.#mode);
      // Over an empty directory rename(2) is atomic; over one with contents it fails.
      renameSync(this.path, this.#place);
      this.#kept = true;
    } catch (error) {
      if (errnoName(error) === 'ENOTEMPTY') throw occupied(this.#place);
      throw notMade(this.#place, error);
    }
  }

  [Symbol.dispose](): void {
    if (!this.#kept) removeTree(Buffer.from(this.path));
  }
}

function modeOfEmpty(place: string): number {
  let found: Stats | undefined;
  try {
    found = lstatSync(place, { throwIfNoEntry: false });
    if (!found) return 0o700;
    if (!found.isDirectory() || readdirSync(place).length > 0) throw occupied(place);
    return found.mode & 0o7777;
  } catch (error) {
    throw error instanceof TazpodError ? error : notMade(place, error);
  }
}

/** Removes a tree by the bytes of its names; directories are made writable first. Follows no links. */
function removeTree(path: Buffer): void {
  chmodSync(path, 0o700);
  for (const entry of readdirSync(path, { withFileTypes: true, encoding: 'buffer' })) {
    const child = Buffer.concat([path, Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) removeTree(child);
    else unlinkSync(child);
  }
  rmdirSync(path);
}

function occupied(place: string): TazpodError {
  return new TazpodError('usage', `cannot extract to ${place}: something is there`, {
    hint: 'name a directory that does not exist yet, or an empty one',
  });
}

function notMade(place: string, error: unknown): TazpodError {
  return new TazpodError('configuration', `cannot make the directory ${place}: ${reasonOf(error)}`, {
    hint:
      errnoName(error) === 'EBUSY' ? 'it is a mount point: name a directory in it that does not exist yet' : undefined,
    cause: error,
  });
}
