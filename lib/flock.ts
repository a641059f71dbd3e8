// flock(2), which Node does not have: the kernel frees the lock with the process that holds it, however that ended.

import { dlopen, getInt32, type FunctionDefinitions } from 'node:ffi';
import { constants as system } from 'node:os';
import { getSystemErrorMessage } from 'node:util';

const LOCK_EX = 2;
const LOCK_NB = 4;

const { EAGAIN, EBADF, EINTR, EINVAL, ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP } = system.errno;
/** File systems without locks, or without them on directories (NFS wants a descriptor that may write: EBADF). */
const NO_LOCKS: ReadonlySet<number> = new Set([EBADF, EINVAL, ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP]);

const { functions: libc } = dlopen(null, {
  __errno_location: { arguments: [], return: 'pointer' },
  flock: { arguments: ['int32', 'int32'], return: 'int32' },
} as const satisfies FunctionDefinitions);

/**
 * Tries to lock what is open at a descriptor, for this one alone; closing it frees it.
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
