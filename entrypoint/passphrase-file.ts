// TAZPOD_PASSPHRASE_FILE: opened for the worker, never read by PID 1. Opened with the operator's identity where that
// suffices. A file that only root may read is opened as root only if no directory on its way is another's to change, and
// none of its components is a link: otherwise the operator could have any file of root's handed over.

import { closeSync, constants, fstatSync, lstatSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { Directory } from './directory.ts';
import { asOperator, type Operator } from './operator.ts';

const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Opens the passphrase file.
 * @returns a descriptor to hand over; the caller closes it
 * @throws TazpodError `no-passphrase` that names the file and the reason
 */
export function openPassphraseFile(path: string, operator: Operator): number {
  try {
    const descriptor = openAsOperator(path, operator) ?? openAsRoot(path);
    if (!fstatSync(descriptor).isDirectory()) return descriptor;
    closeSync(descriptor);
    throw new TazpodError('no-passphrase', `cannot read the passphrase file ${path}: it is a directory`, {
      hint: 'docker makes a missing bind source a directory: check the path on the host',
    });
  } catch (error) {
    if (error instanceof TazpodError) throw error;
    throw new TazpodError('no-passphrase', `cannot read the passphrase file ${path}: ${reasonOf(error)}`, {
      hint: 'TAZPOD_PASSPHRASE_FILE names a file in the container, such as /run/secrets/vault-passphrase',
      cause: error,
    });
  }
}

function openAsOperator(path: string, operator: Operator): number | undefined {
  try {
    return asOperator(operator, () => openSync(path, FLAGS));
  } catch (error) {
    if (errnoName(error) !== 'EACCES' || process.getuid?.() !== 0) throw error;
    return undefined;
  }
}

function openAsRoot(path: string): number {
  const absolute = resolve(path);
  const directory = dirname(absolute);
  for (let parent = directory; ; parent = dirname(parent)) {
    const { uid, mode } = lstatSync(parent);
    if (uid !== 0 || ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0)) {
      throw new TazpodError(
        'no-passphrase',
        `cannot read the passphrase file ${path} as root: ${parent} is not root’s alone`,
        {
          hint: 'make the file readable for the operator, or put it where only root can write',
        },
      );
    }
    if (parent === '/') break;
  }
  using holding = Directory.open(directory);
  return openSync(holding.path(absolute.slice(directory.length).replace(/^\//, '')), FLAGS | constants.O_NOFOLLOW);
}
