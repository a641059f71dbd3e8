// Giving memory back before a garbage collection would: large Buffers in a row otherwise take fresh pages each, which the kernel
// needs longer to make than we to fill, and pile up until V8 finds the time.

/** For smaller ones it would not be. */
const WORTH_IT = 16 * 1024;

/** @param bytes what nobody looks at any more; memory that they share with others stays */
export function release(bytes: Buffer): void {
  if (bytes.length >= WORTH_IT && bytes.length === bytes.buffer.byteLength) (bytes.buffer as ArrayBuffer).transfer(0);
}
