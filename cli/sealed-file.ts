// A vault file anywhere, for reading only: unlike the vault of a session it may be a mount point, a link, or read-only.

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { reasonOf, TazpodError } from '../lib/errors.ts';

/** @throws TazpodError `configuration` when there is no such file, or it cannot be read */
export async function readSealedFile(path: string): Promise<Buffer> {
  try {
    // O_NONBLOCK: opening a FIFO would wait for a writer that may never come.
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!fstatSync(descriptor).isFile()) throw new Error('it is not a file');
      return await readFile(`/proc/self/fd/${descriptor}`);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw new TazpodError('configuration', `cannot read the vault ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
