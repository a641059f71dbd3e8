// One writer of a vault at a time, in all processes and containers that share its directory: flock(2) on the directory
// itself, so that no lock file is left anywhere, and the kernel frees it with the process that holds it, however that ended.
// Node has no flock. This is the only file of lib that calls into C.

import { dlopen, getInt32, type FunctionDefinitions } from 'node:ffi';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { constants as system } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { getSystemErrorMessage } from 'node:util';

import { TazpodError } from './errors.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

const LOOK_AGAIN = 20; // ms
/** A writer holds it from its last look at the vault to the rename: some system calls. */
const PATIENCE = 5000; // ms

const { EAGAIN, EBADF, EINTR, EINVAL, ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP } = system.errno;
/** File systems without locks, or without them on directories (NFS wants a descriptor that may write: EBADF). */
const NO_LOCKS: ReadonlySet<number> = new Set([EBADF, EINVAL, ENOLCK, ENOSYS, ENOTSUP, EOPNOTSUPP]);

const { functions: libc } = dlopen(null, {
  __errno_location: { arguments: [], return: 'pointer' },
  flock: { arguments: ['int32', 'int32'], return: 'int32' },
} as const satisfies FunctionDefinitions);

/**
 * Takes the lock of a directory; disposing frees it. A file system that has no locks is no reason not to write.
 * @throws TazpodError `save-failed` when another writer keeps it for some seconds; the system's error
 */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    for (const end = Date.now() + PATIENCE; !tryLock(handle.fd); await delay(LOOK_AGAIN)) {
      if (Date.now() >= end) {
        throw new TazpodError('save-failed', `cannot write in ${directory}: another save is under way there`, {
          hint: 'another container may share this workspace: see what it does, then try again',
        });
      }
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** False while somebody else has it. */
function tryLock(descriptor: number): boolean {
  if (libc.flock(descriptor, LOCK_EX | LOCK_NB) === 0) return true;
  const errno = getInt32(libc.__errno_location());
  if (NO_LOCKS.has(errno)) return true;
  if (errno === EAGAIN || errno === EINTR) return false;
  throw new Error(`flock: ${getSystemErrorMessage(-errno)}`);
}
