// A vault file, sealed anew under another passphrase: the same archive bit for bit, whether or not an unlock would take it.
// The file is replaced with the care of a save, unless something else has changed it meanwhile.

import { TazpodError } from '../lib/errors.ts';
import { wipe } from '../lib/passphrase.ts';
import { lengthOf } from '../lib/pieces.ts';
import { deriveKey, fingerprintOf, newSalt, saltOf, seal, unseal } from '../lib/seal.ts';
import { replaceVaultFile } from '../lib/vault-replacement.ts';
import type { PassphraseChange } from './passphrase-change.ts';
import type { Passphrase } from './passphrase-source.ts';

/** @throws TazpodError `wrong-passphrase` */
export async function checkOpens(sealed: Buffer, passphrase: Passphrase): Promise<void> {
  wipe(await archiveOf(sealed, passphrase));
}

/**
 * Puts the vault that was read as `sealed` under the new passphrase.
 * @param confirm asked last of all; what it throws keeps the vault as it was
 * @returns the size of the new file
 * @throws TazpodError `wrong-passphrase`, `conflict`, `save-failed`
 */
export async function resealFile(
  path: string,
  sealed: Buffer,
  change: PassphraseChange,
  confirm: () => Promise<void> = async () => {},
): Promise<number> {
  const archive = [await archiveOf(sealed, change.old)];
  const salt = newSalt();
  const key = await deriveKey(change.new.bytes, salt);
  try {
    const resealed = seal(archive, key, salt);
    const began = fingerprintOf(sealed);
    await replaceVaultFile(path, resealed, {
      known: [began],
      began,
      async confirm(conflict) {
        if (conflict) throw changedMeanwhile(path, 'it is as that left it: try again');
        await confirm();
      },
    });
    return lengthOf(resealed);
  } finally {
    wipe(key);
    archive.forEach(wipe);
  }
}

/** A version that is not the one whose passphrase was asked for gets no other. */
export function changedMeanwhile(path: string, hint: string): TazpodError {
  const message = `cannot change the passphrase of ${path}: it was changed by something else meanwhile`;
  return new TazpodError('conflict', message, { hint });
}

async function archiveOf(sealed: Buffer, passphrase: Passphrase): Promise<Buffer> {
  const key = await deriveKey(passphrase.bytes, saltOf(sealed));
  try {
    return unseal(sealed, key);
  } finally {
    wipe(key);
  }
}
