// Unmounting what shows the enclave. Mounts are found by their device, in our own mountinfo, and unmounted by the
// descriptor of the directory they are in and their name there, no link followed: never by a path that was looked up once.

import { lstatSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { Directory } from './directory.ts';
import { deviceName, readMounts } from './mountinfo.ts';
import { check, cString, libc } from './native.ts';

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** How an unmount went: `detached` when something kept the mount busy, so that only its place is gone. */
export type Unmounted = 'unmounted' | 'detached';

/**
 * Unmounts every mount of a device that we see and that `selects` takes, the latest first.
 * @throws SystemCallError when one can be neither unmounted nor detached
 */
export function unmountDevice(device: number, selects: (point: Buffer) => boolean): Unmounted {
  let result: Unmounted = 'unmounted';
  const name = deviceName(device);
  for (const mount of readMounts().toReversed()) {
    if (mount.device !== name || !selects(mount.point)) continue;
    if (unmountAt(mount.point, device) === 'detached') result = 'detached';
  }
  return result;
}

function unmountAt(point: Buffer, device: number): Unmounted {
  const slash = point.lastIndexOf('/');
  const base = point.subarray(slash + 1);
  using parent = Directory.open(slash === 0 ? '/' : point.subarray(0, slash));
  const path = parent.path(base);
  // Somebody with root in the container may have been faster: then nothing of ours is there any more.
  if (lstatSync(path).dev !== device) return 'unmounted';
  const name = cString(path);
  try {
    check('umount2', libc.umount2(name, UMOUNT_NOFOLLOW));
    return 'unmounted';
  } catch (error) {
    if (errnoName(error) === 'EINVAL') return 'unmounted';
    if (errnoName(error) !== 'EBUSY') throw error;
  }
  check('umount2', libc.umount2(name, UMOUNT_NOFOLLOW | MNT_DETACH));
  return 'detached';
}
