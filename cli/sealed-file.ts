// A vault file anywhere, for reading only: unlike the vault of a session it may be a mount point, a link, or read-only.

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { readingAdvice } from '../lib/advice.ts';
import { reasonOf, TazpodError } from '../lib/errors.ts';
import { beginReading, type Reading } from '../lib/reading.ts';

/** @throws TazpodError `configuration` when there is no such file, or it cannot be read */
export async function beginSealedFile(path: string): Promise<Reading> {
  const explained = (error: unknown): TazpodError =>
    new TazpodError('configuration', `cannot read the vault ${path}: ${reasonOf(error)}`, {
      hint: readingAdvice(error, path),
      cause: error,
    });
  let handle: FileHandle;
  try {
    handle = await openFile(path);
  } catch (error) {
    throw explained(error);
  }
  return await beginReading(handle, explained);
}

async function openFile(path: string): Promise<FileHandle> {
  // O_NONBLOCK: opening a FIFO would wait for a writer that may never come.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new Error('it is not a file');
}
