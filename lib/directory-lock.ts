// One writer of a vault at a time, in all processes and containers that share its directory: a lock on the directory itself,
// so that no lock file is left anywhere.

import { constants } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { Descriptor } from './descriptor.ts';
import { TazpodError } from './errors.ts';
import { tryLock } from './native.ts';

const LOOK_AGAIN = 20; // ms
/** A writer holds it from its last look at the vault to the rename: some system calls. */
const PATIENCE = 5000; // ms

/**
 * Takes the lock of a directory; disposing frees it. A file system that has no locks is no reason not to write.
 * @throws TazpodError `save-failed` when another writer keeps it for some seconds; the system's error
 */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  const handle = await Descriptor.open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    for (const end = Date.now() + PATIENCE; tryLock(handle.fd) === 'busy'; await delay(LOOK_AGAIN)) {
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
