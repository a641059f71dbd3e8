// Unmounting what shows the enclave, by descriptors of the mounts themselves: no name is looked up that somebody could exchange
// meanwhile (a process whose mount namespace is older than a mount can rename the directory that it is on). A mount is
// detached, since our own descriptor keeps it busy; whoever else holds it keeps an empty file system that is nowhere to be found.

import { errnoName } from '../lib/errors.ts';
import { Directory } from './directory.ts';
import { deviceName, readMounts, type Mount } from './mountinfo.ts';
import { check, cString, libc } from './native.ts';

const MNT_DETACH = 2;
/** How often mounts that are carried off while we look for them are gone after. */
const PASSES = 100;

/**
 * Unmounts every mount of a device that we see and that `selects` takes, the latest first.
 * @throws SystemCallError, or an Error, when one is there to stay
 */
export function unmountDevice(device: number, selects: (mount: Mount) => boolean): void {
  const name = deviceName(device);
  let failure = new Error('something else is mounted over it');
  for (let pass = 0; pass < PASSES; pass++) {
    const mounts = readMounts().filter((mount) => mount.device === name && selects(mount));
    if (mounts.length === 0) return;
    for (const { point } of mounts.toReversed()) {
      try {
        using mount = Directory.open(point);
        if (mount.stat().dev === device) unmount(mount);
      } catch (error) {
        if (!(error instanceof Error) || errnoName(error) === undefined) throw error;
        failure = error;
      }
    }
  }
  throw failure;
}

/**
 * Unmounts the mount whose root is open, with all that is mounted in it.
 * @throws SystemCallError; not where somebody with root in the container was faster
 */
export function unmount(mount: Directory): void {
  try {
    check('umount2', libc.umount2(cString(mount.path()), MNT_DETACH));
  } catch (error) {
    if (errnoName(error) !== 'EINVAL') throw error;
  }
}
