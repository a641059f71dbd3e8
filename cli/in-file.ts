// Which vault an error is about. What opens and reads a vault works on bytes, and does not know where they came from.

import { type ErrorCode, TazpodError } from '../lib/errors.ts';

/** What is wrong with the bytes themselves. */
const OF_CONTENTS: ReadonlySet<ErrorCode> = new Set([
  'wrong-passphrase',
  'malformed-archive',
  'refused-entry',
  'too-big',
]);

/** Waits for `work` on the vault of `path`, and names that in its error. */
export async function inFile<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof TazpodError) || !OF_CONTENTS.has(error.code)) throw error;
    throw new TazpodError(error.code, `${error.message} (${path})`, { hint: error.hint, cause: error });
  }
}
