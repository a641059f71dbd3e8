// Extraction into the working directory: loaded and made ready while the key is derived, so that nothing has to be loaded when it
// is there.

import type { Extracted, Extractor } from '../lib/extract.ts';
import type { UnpackOptions } from '../lib/unpack.ts';
import { setEngineFlags } from './native.ts';

/** What V8's best compiler makes of ten thousand files' code saves less time than it takes, on cores that both have work. */
const WITHOUT_BEST_COMPILER = '--no-turbofan';

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
  setEngineFlags(WITHOUT_BEST_COMPILER);
  return await extractor.extract(tarGz, { ...options, directory: '.' });
}
