// The AWS bridge: shows the enclave's .aws at the home's. A bind mount made on descriptors, or without the capability a
// symbolic link. What stood at the target is never lost: a directory is covered (or put aside for the link), a link is
// put aside; both come back at the lock, or at the next boot.

import { mkdirSync, renameSync, rmdirSync, symlinkSync } from 'node:fs';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { AWS_NAME, BRIDGE_SOURCE, BRIDGE_TARGET, HOME } from '../lib/paths.ts';
import type { BridgeKind } from '../lib/protocol.ts';
import { ASIDE_NAME, exists, LINK_TARGET, readLink, restoreAside } from './aside.ts';
import { hasCapability } from './capabilities.ts';
import { Directory } from './directory.ts';
import type { Enclave } from './enclave.ts';
import type { Log } from './log.ts';
import { attach, cloneMount } from './mount.ts';
import { deviceName, mountsAt } from './mountinfo.ts';
import { isEmpty } from './names.ts';
import { asOperator, type Operator } from './operator.ts';
import { unmount } from './unmount.ts';

export interface Bridge {
  readonly kind: BridgeKind;
  /** The mount, wherever it has gone: open until the lock. Undefined for a link. */
  readonly mount: Directory | undefined;
  /** A directory with contents lies under the mount, in the clear. */
  readonly covers: boolean;
}

/**
 * Bridges `.aws`, unless it is bridged already.
 * @throws TazpodError `cannot-mount`; what stood at the target is back in its place then
 */
export function bridgeAws(enclave: Enclave, operator: Operator, log: Log): Bridge {
  using home = Directory.open(HOME);
  using source = openSource(enclave, operator);
  try {
    return hasCapability('SYS_ADMIN')
      ? mountBridge(home, source, enclave, operator, log)
      : linkBridge(home, operator, log);
  } catch (error) {
    restoreAside(operator);
    if (error instanceof TazpodError) throw error;
    throw new TazpodError('cannot-mount', `cannot bridge ${BRIDGE_SOURCE} to ${BRIDGE_TARGET}: ${reasonOf(error)}`, {
      hint: isReadOnly(error)
        ? `the operator must be able to write to its home: --tmpfs ${HOME}:mode=0755,uid=${operator.uid},gid=${operator.gid}`
        : undefined,
      cause: error,
    });
  }
}

/** Takes the bridge away and puts back what stood there. */
export function unbridgeAws({ mount }: Bridge, operator: Operator): void {
  try {
    if (mount !== undefined) unmount(mount);
  } finally {
    mount?.close();
    restoreAside(operator);
  }
}

/** A root file system that is read-only, or a home that is somebody else's. */
function isReadOnly(error: unknown): boolean {
  const name = errnoName(error);
  return name === 'EROFS' || name === 'EACCES';
}

function openSource(enclave: Enclave, operator: Operator): Directory {
  let source: Directory | undefined;
  try {
    source = enclave.root.openBeneath(AWS_NAME);
    const { uid, dev } = source.stat();
    if (uid === operator.uid && dev === enclave.device) return source;
  } catch (error) {
    source?.close();
    throw new TazpodError('cannot-mount', `cannot bridge ${BRIDGE_SOURCE}: ${reasonOf(error)}`, {
      hint: 'it must be a directory in the vault, and no link',
      cause: error,
    });
  }
  source.close();
  throw new TazpodError(
    'cannot-mount',
    `cannot bridge ${BRIDGE_SOURCE}: it is not a directory of the operator’s in the enclave`,
    { hint: 'it must be a directory in the vault, and nothing mounted on it' },
  );
}

function mountBridge(home: Directory, source: Directory, enclave: Enclave, operator: Operator, log: Log): Bridge {
  const device = deviceName(enclave.device);
  if (mountsAt(BRIDGE_TARGET).some((mount) => mount.device === device)) {
    return { kind: 'mount', mount: Directory.open(BRIDGE_TARGET), covers: false };
  }
  asOperator(operator, () => makeTarget(home, log));
  using target = home.openBeneath(AWS_NAME);
  if (target.stat().uid !== operator.uid) {
    throw new TazpodError('cannot-mount', `cannot bridge to ${BRIDGE_TARGET}: it is not the operator’s`, {
      hint: 'give it to the operator, or remove it',
    });
  }
  const covers = asOperator(operator, () => !isEmpty(target));
  if (covers) log.warn(`${BRIDGE_TARGET} has contents of its own, in the clear: the vault’s cover them until the lock`);
  const mount = cloneMount(source);
  try {
    attach(mount, target);
    return { kind: 'mount', mount, covers };
  } catch (error) {
    mount.close();
    throw error;
  }
}

/** Makes sure that a directory is there to mount on. */
function makeTarget(home: Directory, log: Log): void {
  const path = home.path(AWS_NAME);
  if (readLink(path) !== undefined) putAside(home, log);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoName(error) !== 'EEXIST') throw error;
  }
}

function linkBridge(home: Directory, operator: Operator, log: Log): Bridge {
  asOperator(operator, () => {
    const path = home.path(AWS_NAME);
    if (readLink(path) === LINK_TARGET) return;
    // An empty directory, such as our image has for the mount, need not be kept.
    removeIfEmpty(path);
    if (exists(path)) putAside(home, log);
    symlinkSync(LINK_TARGET, path);
  });
  return { kind: 'link', mount: undefined, covers: false };
}

function putAside(home: Directory, log: Log): void {
  if (exists(home.path(ASIDE_NAME))) {
    throw new TazpodError('cannot-mount', `cannot put ${BRIDGE_TARGET} aside: ${HOME}/${ASIDE_NAME} is there already`, {
      hint: 'one of the two is yours to remove',
    });
  }
  try {
    renameSync(home.path(AWS_NAME), home.path(ASIDE_NAME));
  } catch (error) {
    // overlayfs does not rename directories of the image's layers (redirect_dir in the kernel's overlayfs.rst).
    if (errnoName(error) !== 'EXDEV') throw error;
    throw new TazpodError('cannot-mount', `cannot put ${BRIDGE_TARGET} aside: it is a directory of the image`, {
      hint: 'remove it in the image, or start the container with --cap-add SYS_ADMIN: then it is mounted over',
      cause: error,
    });
  }
  log.info(`${BRIDGE_TARGET} is put aside as ${ASIDE_NAME} until the lock`);
}

/** Removes an empty directory; anything else stays. */
function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
  }
}
