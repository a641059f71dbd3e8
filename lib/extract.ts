// Extraction of a verified archive into a directory. Everything is judged before it is written, so that what a failure
// leaves behind is inside the directory: the caller, who made it, removes it.

import { prepareGunzip } from './gunzip.ts';
import { TreeWriter } from './tree-writer.ts';
import { unpack, type Extracted, type UnpackOptions } from './unpack.ts';

export { DEFAULT_LIMITS, type ArchiveLimits } from './limits.ts';
export type { Extracted } from './unpack.ts';

/** An archive of this size may hold thousands of files. */
const LARGE_BYTES = 4 * 1024 * 1024;

type Options = UnpackOptions & {
  /** An empty directory of the caller's: `.` after a chdir, or a path. */
  readonly directory: string;
};

/** One extraction, made ready in a time in which something else is waited for. */
export class Extractor implements Disposable {
  #destination: TreeWriter | undefined;

  static async prepare(): Promise<Extractor> {
    await prepareGunzip();
    return new Extractor();
  }

  /**
   * Extracts a tar.gz whose seal has been verified.
   * @throws TazpodError `malformed-archive`, `refused-entry`, `too-big`; `unexpected` with the system's reason
   */
  async extract(tarGz: Buffer, options: Options): Promise<Extracted> {
    using destination = new TreeWriter(options.directory, tarGz.length >= LARGE_BYTES);
    this.#destination = destination;
    return await unpack(tarGz, { ...options, destination });
  }

  /** When this returns no other thread writes any more: what an extraction that nobody waits for has made can be removed. */
  [Symbol.dispose](): void {
    this.#destination?.[Symbol.dispose]();
  }
}

/** Extracts what nobody has prepared for. */
export async function extractArchive(tarGz: Buffer, options: Options): Promise<Extracted> {
  using extractor = await Extractor.prepare();
  return await extractor.extract(tarGz, options);
}
