// A vault file anywhere, for reading only: unlike the vault of a session it may be a mount point, a link, or read-only.

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { readingAdvice } from '../lib/advice.ts';
import { reasonOf, TazpodError } from '../lib/errors.ts';
import { readWhole } from '../lib/read-whole.ts';

/** @throws TazpodError `configuration` when there is no such file, or it cannot be read */
export async function readSealedFile(path: string): Promise<Buffer> {
  try {
    // O_NONBLOCK: opening a FIFO would wait for a writer that may never come.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await handle.stat()).isFile()) throw new Error('it is not a file');
    return await readWhole(handle);
  } catch (error) {
    throw new TazpodError('configuration', `cannot read the vault ${path}: ${reasonOf(error)}`, {
      hint: readingAdvice(error, path),
      cause: error,
    });
  }
}
