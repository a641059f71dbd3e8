// The rules of extraction, applied without writing: what a save reads back must pass them, contents and all.

import type { ArchiveLimits } from './limits.ts';
import { unpack, type Destination, type Extracted } from './unpack.ts';

const NOWHERE: Destination = { place() {}, write() {}, endFile() {}, finishDirectories() {} };

/**
 * Reads a tar.gz as extraction would.
 * @returns the same figures and the same digest that extraction reports
 * @throws TazpodError `malformed-archive`, `refused-entry`, `too-big`
 */
export async function checkArchive(
  tarGz: Buffer,
  options: { readonly limits: ArchiveLimits; readonly digestKey: Buffer },
): Promise<Extracted> {
  return await unpack(tarGz, { ...options, destination: NOWHERE });
}
