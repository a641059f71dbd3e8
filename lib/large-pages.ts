// madvise(2), which Node does not have: memory in pages of two megabytes. The kernel makes one of them sooner than it makes twenty of the
// small ones that it is made of, and does so once, not at the first touch of each. Where it has none, or is told to make none, it
// gives small ones as before.

import { dlopen, getRawPointer } from 'node:ffi';

const MADV_HUGEPAGE = 14;

/** Shorter memory may hold no whole one: they lie at multiples of their size. */
const SHORTEST = 4 * 1024 * 1024;
/** What advice is given for lies at multiples of the small page's size, which is nowhere larger. */
const ALIGNMENT = 64n * 1024n;

/**
 * Has the kernel take large pages for memory that has not been touched.
 * @param bytes memory of its own, not a part of what others have
 */
export function useLargePages(bytes: Buffer): void {
  if (bytes.length < SHORTEST) return;
  const { functions: libc } = dlopen(null, {
    madvise: { arguments: ['uint64', 'uint64', 'int32'], return: 'int32' },
  });
  const start = getRawPointer(bytes);
  const first = start + ALIGNMENT - (start % ALIGNMENT);
  const end = start + BigInt(bytes.length);
  // Advice that is not taken changes nothing.
  libc.madvise(first, end - (end % ALIGNMENT) - first, MADV_HUGEPAGE);
}
