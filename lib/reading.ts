// Reads an open file to its end in as few calls as there can be, on the thread pool: `readFile` takes pieces of half a
// megabyte and copies them together, which for a large vault is most of the time that reading takes.

import type { Descriptor } from './descriptor.ts';
import { useLargePages } from './native.ts';

/** A file while it is read. */
export interface Reading {
  /** How it begins: the whole file where it is shorter than a page. */
  readonly head: Buffer;
  /** Its failure need not be met: who does not wait for it does not hear of it. */
  readonly whole: Promise<Buffer>;
}

const HEAD_BYTES = 4096;

/**
 * From where the descriptor stands to the end of the file, also where it grows or shrinks meanwhile.
 * @param handle is closed at the end, and where it cannot be read
 * @param explained what a failure is thrown as
 */
export async function beginReading(handle: Descriptor, explained: (error: unknown) => unknown): Promise<Reading> {
  try {
    const { size } = await handle.stat();
    // Memory of its own, not of the pool that small Buffers share. One byte more: by that the end is known.
    const bytes = Buffer.allocUnsafeSlow(Math.max(size, HEAD_BYTES) + 1);
    useLargePages(bytes);
    const length = await readTo(HEAD_BYTES, handle, bytes, 0);
    const whole = readOn(handle, bytes, length).catch((error: unknown) => {
      throw explained(error);
    });
    whole.catch(() => undefined);
    return { head: bytes.subarray(0, length), whole };
  } catch (error) {
    await handle.close();
    throw explained(error);
  }
}

async function readOn(handle: Descriptor, begun: Buffer, from: number): Promise<Buffer> {
  await using _closing = handle;
  let bytes = begun;
  for (let length = from; ;) {
    length = await readTo(bytes.length, handle, bytes, length);
    if (length < bytes.length) return bytes.subarray(0, length);
    bytes = Buffer.concat([bytes], 2 * bytes.length);
  }
}

/** @returns the length that is there: less than `end` at the end of the file */
async function readTo(end: number, handle: Descriptor, bytes: Buffer, from: number): Promise<number> {
  for (let length = from; ;) {
    const bytesRead = await handle.read(bytes, length, end - length, null);
    length += bytesRead;
    if (bytesRead === 0 || length === end) return length;
  }
}
