// Extraction of a verified archive into a directory. Everything is judged before it is written, so that what a failure
// leaves behind is inside the directory: the caller, who made it, removes it.

import { checkArchive } from './check-archive.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { TreeWriter } from './tree-writer.ts';
import { unpack, type Extracted, type UnpackOptions } from './unpack.ts';

export { DEFAULT_LIMITS, type ArchiveLimits } from './limits.ts';
export type { Extracted } from './unpack.ts';

/** An archive of this size may hold thousands of files. */
const LARGE_BYTES = 4 * 1024 * 1024;

/** A tar.gz of a directory and two files of a byte each. */
const SAMPLE = Buffer.from(
  'H4sIAAAAAAACA0vRZ6A5MAADBRw0Nra5kZG5AoMpAx1AaXFJYhGDgQG1PTlEQIp+4sDHvyFG/BubmSgwGIzGP81BBcMoGMkgRT9p' +
    'cOZ/09H8P5r/RwGtAQAQpxIAAAoAAA==',
  'base64',
);

type Options = UnpackOptions & {
  /** An empty directory of the caller's: `.` after a chdir, or a path. */
  readonly directory: string;
};

/** One extraction, made ready in a time in which something else is waited for. */
export class Extractor implements Disposable {
  #destination: TreeWriter | undefined;

  /** Reads a small archive and writes nothing, so that what an extraction needs of Node is loaded and its code has run once. */
  static async prepare(): Promise<Extractor> {
    await checkArchive(SAMPLE, { limits: DEFAULT_LIMITS, digestKey: Buffer.alloc(32) });
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
