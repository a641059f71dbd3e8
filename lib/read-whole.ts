// Reads an open file to its end in as few calls as there can be, on the thread pool: `readFile` takes pieces of half a
// megabyte and copies them together, which for a large vault is most of the time that reading takes.

import type { FileHandle } from 'node:fs/promises';

/** From where the descriptor stands to the end of the file, also where it grows or shrinks meanwhile. */
export async function readWhole(handle: FileHandle): Promise<Buffer> {
  const { size } = await handle.stat();
  // Memory of its own, not of the pool that small Buffers share. One byte more: by that the end is known.
  let bytes = Buffer.allocUnsafeSlow(size + 1);
  for (let length = 0; ;) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length, null);
    length += bytesRead;
    if (bytesRead === 0) return bytes.subarray(0, length);
    if (length === bytes.length) bytes = Buffer.concat([bytes], 2 * bytes.length);
  }
}
