// A vault file anywhere, for reading only: unlike the vault of a session it may be a mount point, a link, or read-only.

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { readingAdvice } from '../lib/advice.ts';
import { Descriptor } from '../lib/descriptor.ts';
import { reasonOf, TazpodError } from '../lib/errors.ts';
import { beginReading, type Reading } from '../lib/reading.ts';

/** @throws TazpodError `configuration` when there is no such file, or it cannot be read */
export async function beginSealedFile(path: string): Promise<Reading> {
  const explained = (error: unknown): TazpodError =>
    new TazpodError('configuration', `cannot read the vault ${path}: ${reasonOf(error)}`, {
      hint: readingAdvice(error, path),
      cause: error,
    });
  let descriptor: number;
  try {
    descriptor = openFile(path);
  } catch (error) {
    throw explained(error);
  }
  return await beginReading(new Descriptor(descriptor), explained);
}

function openFile(path: string): number {
  // O_NONBLOCK: opening a FIFO would wait for a writer that may never come.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  throw new Error('it is not a file');
}
