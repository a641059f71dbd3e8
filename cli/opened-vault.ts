// From a vault's bytes and a passphrase to its plaintext, verified before anyone sees a byte of it.
// A passphrase that does not come from a person is tried once: it would not change.

import { wipe } from '../lib/passphrase.ts';
import type { Reading } from '../lib/reading.ts';
import { deriveKey, saltOf, unsealInPlace } from '../lib/seal.ts';
import { type Passphrase, withOrigin } from './passphrase-source.ts';
import { askTwice, askUntilRight, openPrompt } from './typed-passphrase.ts';

/** A vault whose tag has verified; the secrets in it are wiped when it is disposed. */
export class OpenedVault implements Disposable {
  readonly passphrase: Passphrase;
  readonly key: Buffer;
  /** The tar.gz. */
  readonly archive: Buffer;

  constructor(passphrase: Passphrase, key: Buffer, archive: Buffer) {
    this.passphrase = passphrase;
    this.key = key;
    this.archive = archive;
  }

  [Symbol.dispose](): void {
    this.passphrase[Symbol.dispose]();
    wipe(this.key);
    wipe(this.archive);
  }
}

/**
 * Opens a vault with the passphrase that was given, or else with one that is typed. The key is derived while the rest is
 * read; the plaintext takes the ciphertext's place.
 * @throws TazpodError `wrong-passphrase`, or `no-passphrase` when there is nobody to ask
 */
export async function openVault(sealed: Reading, given: Passphrase | undefined): Promise<OpenedVault> {
  // A file too short to be a vault is refused before anyone types a passphrase for it.
  saltOf(sealed.head);
  if (!given) return await openWithTyped(sealed);
  try {
    return await openWith(sealed, given);
  } catch (error) {
    throw withOrigin(error, given);
  }
}

async function openWithTyped(sealed: Reading): Promise<OpenedVault> {
  using prompt = openPrompt();
  return await askUntilRight(prompt, 'Passphrase: ', (typed) => openWith(sealed, typed));
}

/** One try. The passphrase goes with the opened vault. */
async function openWith({ head, whole }: Reading, passphrase: Passphrase): Promise<OpenedVault> {
  const key = await deriveKey(passphrase.bytes, saltOf(head));
  try {
    return new OpenedVault(passphrase, key, unsealInPlace(await whole, key));
  } catch (error) {
    wipe(key);
    throw error;
  }
}

/**
 * The passphrase for a vault that is yet to be: the given one, or one typed twice.
 * @throws TazpodError `no-passphrase` when there is nobody to ask, or the two never match
 */
export async function newPassphrase(given: Passphrase | undefined): Promise<Passphrase> {
  if (given) return given;
  using prompt = openPrompt();
  return await askTwice(prompt);
}
