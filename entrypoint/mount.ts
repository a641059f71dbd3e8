// Mounting by descriptors (fsopen(2), open_tree(2), move_mount(2)): the kernel is given no path.

import { closeSync } from 'node:fs';

import { Directory } from './directory.ts';
import { cString, systemCall } from './native.ts';

// <linux/mount.h>
const FSOPEN_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSCONFIG_CMD_RECONFIGURE = 7;
const FSMOUNT_CLOEXEC = 1;
const FSPICK_CLOEXEC = 1;
const FSPICK_EMPTY_PATH = 8;
const MOUNT_ATTR_NOSUID = 2;
const MOUNT_ATTR_NODEV = 4;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const AT_EMPTY_PATH = 0x1000;
const MS_PRIVATE = 1 << 18;

type MountOptions = Readonly<Record<string, string | true>>;

/**
 * A tmpfs without set-user-ID and devices, mounted nowhere yet.
 * @param options those of tmpfs(5); `true` for one that is a flag
 * @throws SystemCallError
 */
export function createTmpfs(options: MountOptions): Directory {
  const context = systemCall('fsopen', cString('tmpfs'), FSOPEN_CLOEXEC);
  try {
    setOptions(context, options);
    systemCall('fsconfig', context, FSCONFIG_CMD_CREATE, null, null, 0);
    return Directory.adopt(systemCall('fsmount', context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  } finally {
    closeSync(context);
  }
}

/**
 * Changes options of the file system whose mount's root is open, for all who have it mounted.
 * @throws SystemCallError `EINVAL` for what does not go with what is in it
 */
export function reconfigure(mount: Directory, options: MountOptions): void {
  const context = systemCall('fspick', mount.descriptor, cString(''), FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
  try {
    setOptions(context, options);
    systemCall('fsconfig', context, FSCONFIG_CMD_RECONFIGURE, null, null, 0);
  } finally {
    closeSync(context);
  }
}

function setOptions(context: number, options: MountOptions): void {
  for (const [key, value] of Object.entries(options)) {
    if (value === true) systemCall('fsconfig', context, FSCONFIG_SET_FLAG, cString(key), null, 0);
    else systemCall('fsconfig', context, FSCONFIG_SET_STRING, cString(key), cString(value), 0);
  }
}

/**
 * A copy of the mount that shows a directory, mounted nowhere yet: what a bind mount is made of.
 * @throws SystemCallError
 */
export function cloneMount(source: Directory): Directory {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
  return Directory.adopt(systemCall('open_tree', source.descriptor, cString(''), flags));
}

/**
 * Mounts what was mounted nowhere on a directory, private: no mount or unmount there reaches another namespace
 * (mount_namespaces(7)).
 * @throws SystemCallError
 */
export function attach(mount: Directory, point: Directory): void {
  const empty = cString('');
  // struct mount_attr: attr_set, attr_clr, propagation, userns_fd, 64 bits each.
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(MS_PRIVATE), 16);
  systemCall('mount_setattr', mount.descriptor, empty, AT_EMPTY_PATH, attributes, attributes.length);
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  systemCall('move_mount', mount.descriptor, empty, point.descriptor, empty, flags);
}
