// Extraction into the working directory: loaded and made ready while the key is derived, so that nothing has to be loaded when it
// is there.

import type { Extracted, Extractor } from '../lib/extract.ts';
import type { UnpackOptions } from '../lib/unpack.ts';
import { setEngineFlags } from './native.ts';

/**
 * V8 compiles a function for speed in its four hundredth run, which for some hundred files does not pay; and once more, with its best
 * compiler, which takes five megabytes, and no time from ten thousand.
 */
const COMPILE_LESS = '--invocation-count-for-maglev=1000 --no-turbofan';

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
  setEngineFlags(COMPILE_LESS);
  return await extractor.extract(tarGz, { ...options, directory: '.' });
}
