// `.vault_pass`: the passphrase kept in the enclave, so that saving asks nobody (cached-passphrase.ts reads it). It is in RAM, the operator's alone,
// never a member of a vault, and the first thing to be wiped. Names are relative: the enclave is the working directory.

import { closeSync, constants, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { AWS_NAME, ENCLAVE, PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import { temporaryName } from '../lib/temporary-file.ts';

const CACHE = `${ENCLAVE}/${PASSPHRASE_CACHE_NAME}`;

/** @throws TazpodError `too-big` when the enclave is full */
export function writePassphraseCache(passphrase: Buffer): void {
  try {
    write(PASSPHRASE_CACHE_NAME, passphrase);
  } catch (error) {
    throw notWritten(CACHE, error);
  }
}

/**
 * Puts another passphrase in the cache's place: whoever reads it finds the one or the other, whole. To be called under the
 * saver's lock: what one who is killed meanwhile leaves beside it the next saver removes, so that no vault gets it.
 * @throws TazpodError `too-big` when the enclave is full; the cache is as it was then
 */
export function replacePassphraseCache(passphrase: Buffer): void {
  const temporary = temporaryName(PASSPHRASE_CACHE_NAME);
  try {
    write(temporary, passphrase);
    renameSync(temporary, PASSPHRASE_CACHE_NAME);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw notWritten(CACHE, error);
  }
}

function write(name: string, passphrase: Buffer): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const descriptor = openSync(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for (let written = 0; written < passphrase.length;) written += writeSync(descriptor, passphrase, written);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Makes the directory that PID 1 shows at the home's `.aws`, where the vault held none.
 * @throws TazpodError `too-big` when the enclave is full
 */
export function makeBridgeSource(): void {
  try {
    mkdirSync(AWS_NAME, 0o700);
  } catch (error) {
    if (errnoName(error) !== 'EEXIST') throw notWritten(`${ENCLAVE}/${AWS_NAME}`, error);
  }
}

function notWritten(path: string, error: unknown): TazpodError {
  return errnoName(error) === 'ENOSPC'
    ? new TazpodError('too-big', `cannot write ${path}: the enclave is full`, {
        hint: 'give the enclave more room (TAZPOD_ENCLAVE_SIZE)',
        cause: error,
      })
    : new TazpodError('unexpected', `cannot write ${path}: ${reasonOf(error)}`, { cause: error });
}
