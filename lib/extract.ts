// Extraction of a verified archive into a directory. Everything is judged before it is written, so that what a failure
// leaves behind is inside the directory: the caller, who made it, removes it.

import { TreeWriter } from './tree-writer.ts';
import { unpack, type Extracted, type UnpackOptions } from './unpack.ts';

export { DEFAULT_LIMITS, type ArchiveLimits } from './limits.ts';
export type { Extracted } from './unpack.ts';
export { prepareGunzip } from './gunzip.ts';

/**
 * Extracts a tar.gz whose seal has been verified.
 * @param options.directory an empty directory of the caller's: `.` after a chdir, or a path
 * @throws TazpodError `malformed-archive`, `refused-entry`, `too-big`; `unexpected` with the system's reason
 */
export async function extractArchive(
  tarGz: Buffer,
  options: UnpackOptions & { readonly directory: string },
): Promise<Extracted> {
  using destination = new TreeWriter(options.directory);
  return await unpack(tarGz, { ...options, destination });
}
