// What the kernel does and Node does not have: locks (flock(2)) and memory in large pages (madvise(2)). The only file of lib that calls
// into C.

import { dlopen, getInt32, getRawPointer, type FunctionDefinitions } from 'node:ffi';
import { constants as system } from 'node:os';
import { getSystemErrorMessage } from 'node:util';

const LOCK_EX = 2;
const LOCK_NB = 4;

const { EAGAIN, EBADF, EINTR, EINVAL, ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP } = system.errno;
/** File systems without locks, or without them on directories (NFS wants a descriptor that may write: EBADF). */
const NO_LOCKS: ReadonlySet<number> = new Set([EBADF, EINVAL, ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP]);

const MADV_HUGEPAGE = 14;
/** Shorter memory may hold no whole page of two megabytes: they lie at multiples of their size. */
const SHORTEST = 4 * 1024 * 1024;
/** What advice is given for lies at multiples of the small page's size, which is nowhere larger. */
const ALIGNMENT = 64n * 1024n;

const { functions: libc } = dlopen(null, {
  __errno_location: { arguments: [], return: 'pointer' },
  flock: { arguments: ['int32', 'int32'], return: 'int32' },
  madvise: { arguments: ['uint64', 'uint64', 'int32'], return: 'int32' },
} as const satisfies FunctionDefinitions);

/**
 * Tries to lock what is open at a descriptor, for this one alone; closing it frees it, and so does the kernel with the process that
 * holds it, however that ended.
 * @returns `busy` while another has it; `impossible` where the file system has no locks
 * @throws Error for what no caller can do anything about
 */
export function tryLock(descriptor: number): 'locked' | 'busy' | 'impossible' {
  if (libc.flock(descriptor, LOCK_EX | LOCK_NB) === 0) return 'locked';
  const errno = getInt32(libc.__errno_location());
  if (NO_LOCKS.has(errno)) return 'impossible';
  if (errno === EAGAIN || errno === EINTR) return 'busy';
  throw new Error(`flock: ${getSystemErrorMessage(-errno)}`);
}

/**
 * Has the kernel take large pages for memory that has not been touched. It makes one of them sooner than it makes twenty of the small ones
 * that it is made of, and does so once, not at the first touch of each. Where it has none, or is told to make none, it gives small ones
 * as before.
 * @param bytes memory of its own, not a part of what others have
 */
export function useLargePages(bytes: Buffer): void {
  if (bytes.length < SHORTEST) return;
  const start = getRawPointer(bytes);
  const first = start + ALIGNMENT - (start % ALIGNMENT);
  const end = start + BigInt(bytes.length);
  // Advice that is not taken changes nothing.
  libc.madvise(first, end - (end % ALIGNMENT) - first, MADV_HUGEPAGE);
}
