// Reads `.vault_pass`, the passphrase that is kept in the enclave (passphrase-cache.ts).

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

import { reasonOf, TazpodError } from '../lib/errors.ts';
import { ENCLAVE, PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import { Passphrase } from './passphrase-source.ts';

const CACHE = `${ENCLAVE}/${PASSPHRASE_CACHE_NAME}`;

/**
 * Reads the cache of an unlocked enclave.
 * @param enclave its path, or nothing where it is the working directory
 * @throws TazpodError `save-failed` when it is not there, or not what unlock wrote
 */
export function readPassphraseCache(enclave = '.'): Passphrase {
  try {
    // O_NONBLOCK: opening a FIFO that was put there must not hang.
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const descriptor = openSync(`${enclave}/${PASSPHRASE_CACHE_NAME}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      if (!fstatSync(descriptor).isFile()) throw new Error('it is not a file');
      const bytes = Buffer.alloc(fstatSync(descriptor).size);
      return new Passphrase(bytes.subarray(0, readSync(descriptor, bytes)), CACHE);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw new TazpodError('save-failed', `cannot read the cached passphrase ${CACHE}: ${reasonOf(error)}`, {
      hint: `put the vault's passphrase there, in a file of mode 0600 without a newline`,
      cause: error,
    });
  }
}
