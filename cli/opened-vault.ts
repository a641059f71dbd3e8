// From a vault's bytes and a passphrase to its plaintext, verified before anyone sees a byte of it.
// A passphrase that a person types may be wrong three times; one from anywhere else is tried once: it would not change.

import { TazpodError } from '../lib/errors.ts';
import { wipe } from '../lib/passphrase.ts';
import { deriveKey, saltOf, unseal } from '../lib/seal.ts';
import { Passphrase } from './passphrase-source.ts';
import { Prompt } from './prompt.ts';

const TRIES = 3;

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
 * Opens a vault with the passphrase that was given, or else with one that is typed.
 * @throws TazpodError `wrong-passphrase`, or `no-passphrase` when there is nobody to ask
 */
export async function openVault(sealed: Buffer, given: Passphrase | undefined): Promise<OpenedVault> {
  // A file too short to be a vault is refused before anyone types a passphrase for it.
  saltOf(sealed);
  if (!given) return await openWithTyped(sealed);
  try {
    return await openWith(sealed, given);
  } catch (error) {
    if (!(error instanceof TazpodError)) throw error;
    const hint = `the passphrase came from ${given.origin}${error.hint ? `; ${error.hint}` : ''}`;
    throw new TazpodError(error.code, error.message, { hint, cause: error });
  }
}

async function openWithTyped(sealed: Buffer): Promise<OpenedVault> {
  using prompt = openPrompt();
  for (let tries = 1; ; tries++) {
    const typed = new Passphrase(await prompt.ask('Passphrase: '), 'the terminal');
    try {
      return await openWith(sealed, typed);
    } catch (error) {
      typed[Symbol.dispose]();
      if (tries === TRIES || !isWrongPassphrase(error)) throw error;
      prompt.say('Sorry, wrong passphrase — try again.\n');
    }
  }
}

/** One try. The passphrase goes with the opened vault. */
async function openWith(sealed: Buffer, passphrase: Passphrase): Promise<OpenedVault> {
  const key = await deriveKey(passphrase.bytes, saltOf(sealed));
  try {
    return new OpenedVault(passphrase, key, unseal(sealed, key));
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
  for (let tries = 1; tries <= TRIES; tries++) {
    const typed = new Passphrase(await prompt.ask('New passphrase: '), 'the terminal');
    try {
      using again = new Passphrase(await prompt.ask('New passphrase again: '), 'the terminal');
      if (typed.bytes.equals(again.bytes)) return typed;
    } catch (error) {
      typed[Symbol.dispose]();
      throw error;
    }
    typed[Symbol.dispose]();
    prompt.say('Sorry, the two must match.\n');
  }
  throw new TazpodError('no-passphrase', 'cannot go on: the two passphrases did not match');
}

function openPrompt(): Prompt {
  const prompt = Prompt.open();
  if (prompt) return prompt;
  throw new TazpodError('no-passphrase', 'cannot ask for the passphrase: there is no terminal', {
    hint: 'give it by --passphrase-file, --passphrase-fd or TAZPOD_PASSPHRASE_FILE, or run on a terminal (docker: -it)',
  });
}

function isWrongPassphrase(error: unknown): boolean {
  return error instanceof TazpodError && error.code === 'wrong-passphrase';
}
