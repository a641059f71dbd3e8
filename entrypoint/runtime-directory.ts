// /run/tazpod: root's, with the control socket, and the lock that says which process serves this container's enclave.
// The kernel frees the lock with the process that holds it, however it ended.

import { accessSync, chmodSync, closeSync, constants, mkdirSync, openSync } from 'node:fs';

import { errnoName, reasonOf } from '../lib/errors.ts';
import { HOME, RUNTIME_DIRECTORY } from '../lib/paths.ts';
import { hasCapability } from './capabilities.ts';
import { Directory } from './directory.ts';
import type { Log } from './log.ts';
import { attach, createTmpfs } from './mount.ts';
import { systemCall } from './native.ts';

const LOCK_FILE = `${RUNTIME_DIRECTORY}/lock`;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Claims the runtime directory.
 * - `ours`: the socket may be made there, and the enclave is ours to keep
 * - `no-socket`: nothing can be written there; the enclave is ours, but nobody can talk to us
 * - `taken`: another process serves this container
 */
export function claimRuntimeDirectory(log: Log): 'ours' | 'no-socket' | 'taken' {
  try {
    makeWritable();
  } catch (error) {
    const { getuid, getgid } = process;
    const owner = getuid === undefined || getuid() === 0 ? '' : `:uid=${getuid()},gid=${getgid?.() ?? 0}`;
    log.warn(
      `no control socket: cannot write to ${RUNTIME_DIRECTORY} (${reasonOf(error)}); tazpod will not work in the shell (with --tmpfs ${RUNTIME_DIRECTORY}${owner} it does)`,
    );
    return lockHome() ? 'no-socket' : 'taken';
  }
  return lock(LOCK_FILE, constants.O_RDWR | constants.O_CREAT) ? 'ours' : 'taken';
}

/** Where nobody can make a lock file, the home's directory is one. Without a home there is no enclave to quarrel about. */
function lockHome(): boolean {
  try {
    return lock(HOME, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return true;
  }
}

/** Takes the lock of a file or directory; it stays open, and the lock held, until we end. */
function lock(path: string, flags: number): boolean {
  const descriptor = openSync(path, flags | constants.O_NOFOLLOW, 0o600);
  try {
    systemCall('flock', descriptor, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    closeSync(descriptor);
    if (errnoName(error) !== 'EAGAIN') throw error;
    return false;
  }
}

function makeWritable(): void {
  try {
    mkdirSync(RUNTIME_DIRECTORY, { mode: 0o755, recursive: true });
    accessSync(RUNTIME_DIRECTORY, constants.W_OK);
  } catch (error) {
    // A read-only root file system: a small tmpfs on the directory, which the image has.
    if (errnoName(error) !== 'EROFS' || !hasCapability('SYS_ADMIN')) throw error;
    mountTmpfs();
  }
  if (process.getuid?.() === 0) chmodSync(RUNTIME_DIRECTORY, 0o755);
}

function mountTmpfs(): void {
  using point = Directory.open(RUNTIME_DIRECTORY);
  using root = createTmpfs({ size: '64k', mode: '0755' });
  attach(root, point);
}
