// Extraction into the working directory: loaded and made ready while the key is derived, so that nothing has to be loaded when it
// is there.

import type { Extracted, Extractor } from '../lib/extract.ts';
import type { UnpackOptions } from '../lib/unpack.ts';

/** To be called early. To be disposed before what an unfinished extraction has made is removed. */
export async function prepareExtraction(): Promise<Extractor> {
  return await (await import('../lib/extract.ts')).Extractor.prepare();
}

/**
 * Extracts a verified tar.gz into the working directory, which is empty.
 * @throws TazpodError as `Extractor.extract`
 */
export async function extractHere(extractor: Extractor, tarGz: Buffer, options: UnpackOptions): Promise<Extracted> {
  // The archive's permission bits hold, whatever mask the caller has.
  process.umask(0);
  return await extractor.extract(tarGz, { ...options, directory: '.' });
}
