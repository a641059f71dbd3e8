// The rules of extraction, applied without writing: what a save reads back must pass them, contents and all.

import { roomOf } from './room.ts';
import { unpack, type Extracted, type UnpackOptions } from './unpack.ts';

export interface Checked extends Extracted {
  /** Bytes of a tmpfs that it would take: see room.ts. */
  readonly room: number;
}

/**
 * Reads a tar.gz as extraction would.
 * @returns the same figures and the same digest that extraction reports
 * @throws TazpodError `malformed-archive`, `refused-entry`, `too-big`
 */
export async function checkArchive(tarGz: Buffer, options: UnpackOptions): Promise<Checked> {
  let room = 0;
  const extracted = await unpack(tarGz, {
    ...options,
    destination: {
      place() {},
      write() {},
      endFile() {},
      finishDirectories(root) {
        room = roomOf(root);
      },
    },
  });
  return { ...extracted, room };
}
