// The enclave: a tmpfs at ~/secrets that is the operator's alone. Mounted by us where we may, adopted where the engine
// mounted it, refused where it would be on disk. PID 1 never gives the kernel a path that the operator can change:
// directories are opened without following links, and mounts are made on descriptors (mount API of fsopen(2)).

import { accessSync, chmodSync, chownSync, constants, lstatSync, readFileSync, statfsSync } from 'node:fs';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { ENCLAVE, ENCLAVE_NAME, PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import { hasCapability, isForbidden } from './capabilities.ts';
import type { Directory } from './directory.ts';
import type { Log } from './log.ts';
import { attach, createTmpfs } from './mount.ts';
import { enclaveMount, mountedFileSystem, openHome, openMountPoint } from './mount-point.ts';
import { isEmpty } from './names.ts';
import type { Operator } from './operator.ts';
import { unmount, unmountDevice } from './unmount.ts';
import { wipe } from './wipe.ts';

const TMPFS_MAGIC = 0x01021994; // statfs(2)
const MOST_ENTRIES = 200_000;

/** A RAM mount at the enclave's path that is ready to hold secrets. */
export interface Enclave {
  /** st_dev of its file system. */
  readonly device: number;
  /** Bytes it can hold. */
  readonly size: number;
  /** Its root. Held until the lock: it is what gets wiped, wherever the mount has gone. */
  readonly root: Directory;
  /** Whether we made the mount, and so can take it away. */
  readonly ours: boolean;
  /** An unlocked vault is in it already. */
  readonly cached: boolean;
}

/**
 * Opens the enclave: mounts it, or adopts the RAM mount that is there.
 * @param size bytes; a mount that is there keeps its own
 * @throws TazpodError `cannot-mount`; nothing is mounted then that was not before
 */
export function openEnclave(operator: Operator, size: number, log: Log): Enclave {
  using home = openHome();
  const fileSystem = mountedFileSystem();
  if (fileSystem === undefined) return mountEnclave(home, operator, size, log);
  if (fileSystem !== 'tmpfs') {
    throw new TazpodError(
      'cannot-mount',
      `cannot use ${ENCLAVE}: it is a ${fileSystem} mount, and secrets must stay in RAM`,
      {
        hint: `do not mount a volume there; leave it to us, or use ${engineMount(operator)}`,
      },
    );
  }
  return adoptEnclave(home, operator, log);
}

/** Unmounts an enclave of ours, which has been wiped, and closes its root. */
export function unmountEnclave({ root, device }: Enclave): void {
  try {
    // Where it is now, and whatever is mounted over it.
    unmount(root);
  } finally {
    root.close();
  }
  unmountDevice(device, () => true);
}

/** Makes the root of an enclave that the engine gave the operator's alone, as far as we may. */
export function giveEnclave(root: Directory, operator: Operator): void {
  if (process.getuid?.() === 0) chownSync(root.path(), operator.uid, operator.gid);
  else if (root.stat().uid !== operator.uid) return;
  // Whatever mode was asked for: where the image has the directory, runc gives the mount the directory's mode.
  chmodSync(root.path(), 0o700);
}

function mountEnclave(home: Directory, operator: Operator, size: number, log: Log): Enclave {
  if (!hasCapability('SYS_ADMIN')) {
    throw new TazpodError('cannot-mount', `cannot mount ${ENCLAVE}: CAP_SYS_ADMIN is missing`, {
      hint: capabilityHint(operator),
    });
  }
  using point = openMountPoint(home, operator, log);
  let root: Directory | undefined;
  try {
    root = createEnclaveFileSystem(operator, size, log);
    const device = root.stat().dev;
    // Last: what fails before it leaves nothing mounted.
    attach(root, point);
    return { device, size, root, ours: true, cached: false };
  } catch (error) {
    root?.close();
    throw new TazpodError('cannot-mount', `cannot mount ${ENCLAVE}: ${reasonOf(error)}`, {
      hint: isForbidden(error) ? capabilityHint(operator) : undefined,
      cause: error,
    });
  }
}

/** What would let us mount; as another user than root no flag would. */
function capabilityHint(operator: Operator): string {
  const byEngine = `have the engine mount it: ${engineMount(operator)}`;
  return process.getuid?.() === 0
    ? `start the container with --cap-add SYS_ADMIN --security-opt apparmor=unconfined, or ${byEngine}`
    : byEngine;
}

function engineMount({ uid, gid }: Operator): string {
  return `--tmpfs ${ENCLAVE}:size=64m,mode=0700,uid=${uid},gid=${gid}`;
}

function createEnclaveFileSystem(operator: Operator, size: number, log: Log): Directory {
  const options = {
    source: 'tazpod',
    size: String(size),
    mode: '0700',
    uid: String(operator.uid),
    gid: String(operator.gid),
    // Beside the entries, the root's own.
    nr_inodes: String(MOST_ENTRIES + 1),
  };
  try {
    return createTmpfs({ ...options, noswap: true });
  } catch (error) {
    // Linux before 6.4 does not know `noswap` (tmpfs(5)); in a user namespace it is forbidden.
    if (errnoName(error) !== 'EINVAL' && errnoName(error) !== 'EPERM') throw error;
  }
  const root = createTmpfs(options);
  if (isSwapOn())
    log.warn(
      'the enclave may be swapped to disk: this kernel cannot forbid it (noswap), and swap is on (on the host: swapoff -a, or Linux 6.4)',
    );
  return root;
}

function isSwapOn(): boolean {
  try {
    return readFileSync('/proc/swaps', 'latin1').trimEnd().includes('\n');
  } catch {
    return false;
  }
}

function adoptEnclave(home: Directory, operator: Operator, log: Log): Enclave {
  const root = home.openMounted(ENCLAVE_NAME);
  try {
    const { type, blocks, bsize } = statfsSync(root.path());
    const device = root.stat().dev;
    if (type !== TMPFS_MAGIC || device === home.stat().dev) {
      throw new TazpodError('cannot-mount', `cannot use ${ENCLAVE}: it is not in RAM`, {
        hint: `do not mount a volume there; leave it to us, or use ${engineMount(operator)}`,
      });
    }
    checkOwner(root, operator, log);
    giveEnclave(root, operator);
    if (isSwapOn() && enclaveMount()?.options.includes('noswap') !== true) {
      log.warnOnce(
        'the enclave may be swapped to disk: the engine did not forbid it (noswap), and swap is on (on the host: swapoff -a)',
      );
    }
    const cached = hasCache(root, operator);
    if (!cached && !isEmpty(root)) {
      log.warn(`${ENCLAVE} held what a torn unlock left: wiped`);
      if (!wipe(root))
        throw new TazpodError('cannot-mount', `cannot empty ${ENCLAVE}, which holds what a torn unlock left`, {
          hint: 'end what still writes there, or make the container anew',
        });
      giveEnclave(root, operator);
    }
    return { device, size: blocks * bsize, root, ours: false, cached };
  } catch (error) {
    root.close();
    throw error;
  }
}

/**
 * Without root we take what is the operator's, or at least the operator's to write: a Pod's memory volume is root's always.
 * @throws TazpodError `cannot-mount`
 */
function checkOwner(root: Directory, operator: Operator, log: Log): void {
  const { uid } = root.stat();
  if (process.getuid?.() === 0 || uid === operator.uid) return;
  try {
    accessSync(root.path(), constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new TazpodError('cannot-mount', `cannot use ${ENCLAVE}: it belongs to uid ${uid}, not to the operator`, {
      hint: `mount it with ${engineMount(operator)}`,
      cause,
    });
  }
  log.warnOnce(`${ENCLAVE} belongs to uid ${uid}: other users of the container, if there are any, can look into it`);
}

function hasCache(root: Directory, operator: Operator): boolean {
  try {
    const cache = lstatSync(root.path(PASSPHRASE_CACHE_NAME));
    return cache.isFile() && cache.uid === operator.uid;
  } catch (error) {
    if (errnoName(error) !== 'ENOENT') throw error;
    return false;
  }
}
