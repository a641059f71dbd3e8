// Where the enclave gets mounted: ~/secrets, a directory of root's that nobody writes to, and what is mounted there. Also without
// an enclave: it keeps secrets off the disk while the vault is locked.

import { chmodSync, chownSync, mkdirSync } from 'node:fs';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { ENCLAVE, ENCLAVE_NAME, HOME } from '../lib/paths.ts';
import { Directory } from './directory.ts';
import type { Log } from './log.ts';
import { mountsAt, type Mount } from './mountinfo.ts';
import { isEmpty } from './names.ts';
import type { Operator } from './operator.ts';

/**
 * Makes ~/secrets ready to be mounted on: a directory of root's without write permission, so that nothing is written to
 * disk there while the vault is locked.
 * @throws TazpodError `cannot-mount`
 */
export function prepareMountPoint(operator: Operator, log: Log): void {
  using home = openHome();
  openMountPoint(home, operator, log).close();
}

/** The type of what is mounted at the enclave's path: `tmpfs`, if that is an enclave which the engine mounted. */
export function mountedFileSystem(): string | undefined {
  return enclaveMount()?.fileSystem;
}

/** What is mounted at the enclave's path, the uppermost. */
export function enclaveMount(): Mount | undefined {
  return mountsAt(ENCLAVE).at(-1);
}

/** @throws TazpodError `cannot-mount` */
export function openHome(): Directory {
  try {
    return Directory.open(HOME);
  } catch (error) {
    throw new TazpodError('cannot-mount', `cannot open the home ${HOME}: ${reasonOf(error)}`, {
      hint: 'the enclave is in it: make it a directory that is the operator’s',
      cause: error,
    });
  }
}

/**
 * Makes the directory, if it is missing, and nobody's to write to.
 * @throws TazpodError `cannot-mount`
 */
export function openMountPoint(home: Directory, operator: Operator, log: Log): Directory {
  try {
    mkdirSync(home.path(ENCLAVE_NAME), { mode: 0o555 });
  } catch (error) {
    if (errnoName(error) !== 'EEXIST') throw refused(error);
  }
  let point: Directory;
  try {
    point = home.openBeneath(ENCLAVE_NAME);
  } catch (error) {
    throw refused(error);
  }
  try {
    if (process.getuid?.() === 0) {
      const { uid, mode } = point.stat();
      if (uid !== 0 && uid !== operator.uid) {
        throw new TazpodError('cannot-mount', `cannot use ${ENCLAVE}: it belongs to uid ${uid}`, {
          hint: 'remove it, or give it to root',
        });
      }
      // Only where it is not so already: the root file system may be read-only.
      if (uid !== 0) chownSync(point.path(), 0, 0);
      if ((mode & 0o7777) !== 0o555) chmodSync(point.path(), 0o555);
    }
    if (!isEmpty(point)) {
      log.warn(
        `${ENCLAVE} holds files on disk, in the clear: they lie covered while the vault is unlocked; move them away`,
      );
    }
    return point;
  } catch (error) {
    point.close();
    throw error;
  }
}

function refused(cause: unknown): TazpodError {
  const name = errnoName(cause);
  return new TazpodError(
    'cannot-mount',
    `cannot use ${ENCLAVE}: ${name === 'ELOOP' ? 'it is a symbolic link' : reasonOf(cause)}`,
    {
      hint:
        name === 'EROFS'
          ? 'make that directory in the image, root’s and mode 0555, or start without --read-only'
          : 'remove it: the enclave is mounted on a directory of that name',
      cause,
    },
  );
}
