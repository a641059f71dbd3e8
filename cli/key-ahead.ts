// The key of the next vault, begun before PID 1 has let the save in: that takes a core some ten milliseconds, in which the other
// has modules to load. What it is derived from is read where the enclave should be, and believed by nobody: it counts only if the
// enclave, once PID 1 has named it and its lock is held, has the same passphrase.

import { ENCLAVE } from '../lib/paths.ts';
import { wipe } from '../lib/passphrase.ts';
import { deriveKey, newSalt } from '../lib/seal.ts';
import { readPassphraseCache } from './cached-passphrase.ts';
import type { Passphrase } from './passphrase-source.ts';

/** A fresh salt, and the key that a passphrase makes with it. */
export interface NewKey {
  readonly salt: Buffer;
  readonly key: Promise<Buffer>;
}

export function newKey({ bytes }: Passphrase): NewKey {
  const salt = newSalt();
  const key = deriveKey(bytes, salt);
  // Its failure is met where it is awaited; until then it must not count as unhandled.
  key.catch(() => undefined);
  return { salt, key };
}

export class KeyAhead implements Disposable {
  readonly #passphrase: Passphrase;
  #begun: NewKey | undefined;

  constructor(passphrase: Passphrase) {
    this.#passphrase = passphrase;
    this.#begun = newKey(passphrase);
  }

  /** The key, once, if it is this passphrase's; it is the caller's to wipe then. */
  take({ bytes }: Passphrase): NewKey | undefined {
    const begun = this.#passphrase.bytes.equals(bytes) ? this.#begun : undefined;
    if (begun) this.#begun = undefined;
    return begun;
  }

  [Symbol.dispose](): void {
    this.#passphrase[Symbol.dispose]();
    this.#begun?.key.then(wipe, () => undefined);
  }
}

/** Begins a key with the passphrase that the enclave seems to have; undefined where there is none to be read. */
export function beginKey(): KeyAhead | undefined {
  try {
    return new KeyAhead(readPassphraseCache(ENCLAVE));
  } catch {
    // Why, the save itself will say.
    return undefined;
  }
}
