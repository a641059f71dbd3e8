// Giving memory back before a garbage collection would: large Buffers in a row otherwise take fresh pages each, which the kernel
// needs longer to make than we to fill, and pile up until V8 finds the time.

/** Smaller Buffers may share their memory with others, and it would not be worth it. */
const WORTH_IT = 128 * 1024;

/** @param bytes if it is large, a view of memory that nothing else is in, and that nobody looks at any more */
export function release(bytes: Buffer): void {
  if (bytes.length >= WORTH_IT) (bytes.buffer as ArrayBuffer).transfer(0);
}
