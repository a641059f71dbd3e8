// The bytes of a vault: salt 32, nonce 12, AES-256-GCM ciphertext, tag 16; no associated data.
// key = PBKDF2-HMAC-SHA256(passphrase bytes, salt, 100 000 iterations, 32 bytes). Salt and nonce are fresh at every save.
// Nothing of a plaintext leaves this file before its tag has been verified.

import { createCipheriv, createDecipheriv, createHmac, pbkdf2, randomBytes, type Decipheriv } from 'node:crypto';
import { promisify } from 'node:util';

import { TazpodError } from './errors.ts';
import { wipe } from './passphrase.ts';
import { lengthOf } from './pieces.ts';
import { release } from './release.ts';

const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHERTEXT_AT = SALT_BYTES + NONCE_BYTES;
const SHORTEST = CIPHERTEXT_AT + TAG_BYTES;
const ITERATIONS = 100_000;
const KEY_BYTES = 32;
const CIPHER = 'aes-256-gcm';
/** What is encrypted at a time: the whole at once would be there twice. */
const PIECE_BYTES = 256 * 1024;

const pbkdf2OnThreadPool = promisify(pbkdf2);

/**
 * The salt that a vault's key is derived with: a view of its first 32 bytes.
 * @throws TazpodError `wrong-passphrase` when the file is too short to be a vault; no key needs to be derived to know
 */
export function saltOf(sealed: Buffer): Buffer {
  if (sealed.length < SHORTEST) {
    throw new TazpodError(
      'wrong-passphrase',
      `cannot open the vault: it is too short (${sealed.length} bytes, a vault has at least ${SHORTEST})`,
      { hint: 'the file is cut off or is not a vault: restore it from its .bak or another copy' },
    );
  }
  return sealed.subarray(0, SALT_BYTES);
}

/** The same of the vault that has this fingerprint. */
export function saltOfFingerprint(fingerprint: string): Buffer {
  return Buffer.from(fingerprint, 'hex').subarray(0, SALT_BYTES);
}

/** A fresh salt for a vault that is about to be sealed. */
export function newSalt(): Buffer {
  return randomBytes(SALT_BYTES);
}

/** Derives a vault's key (32 bytes) on the thread pool: some ten milliseconds. Wipe it after use. */
export async function deriveKey(passphrase: Buffer, salt: Buffer): Promise<Buffer> {
  return pbkdf2OnThreadPool(passphrase, salt, ITERATIONS, KEY_BYTES, 'sha256');
}

/**
 * The key for digests of the contents (see contents-digest.ts), so that the vault's own key is used for nothing else.
 * It stands and falls with the salt that `key` was derived with: keep that salt beside any digest.
 */
export function digestKeyOf(key: Buffer): Buffer {
  return createHmac('sha256', key).update('tazpod contents digest').digest();
}

/**
 * Decrypts a whole vault and verifies its tag.
 * @returns the plaintext: a tar.gz
 * @throws TazpodError `wrong-passphrase` when it is too short or its tag does not verify (GCM cannot tell why)
 */
export function unseal(sealed: Buffer, key: Buffer): Buffer {
  return unsealInPlace(Buffer.from(sealed), key);
}

/**
 * As `unseal`, without memory for a second vault, which takes the kernel longer to give than us to fill.
 * @param sealed only its ciphertext is overwritten, and if it cannot be opened, it is as it was
 * @returns the plaintext, in its place
 */
export function unsealInPlace(sealed: Buffer, key: Buffer): Buffer {
  const nonce = sealed.subarray(saltOf(sealed).length, CIPHERTEXT_AT);
  const text = sealed.subarray(CIPHERTEXT_AT, -TAG_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  updateInPlace(text, decipher);
  try {
    // GCM is a stream mode: `final` verifies the tag and has no bytes of its own.
    decipher.final();
  } catch (cause) {
    // And what decrypts encrypts: a second time it gives back what was there.
    updateInPlace(text, createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }));
    throw new TazpodError('wrong-passphrase', 'cannot open the vault: wrong passphrase or corrupt file', {
      hint: 'if the passphrase is right, restore the file from its .bak or another copy',
      cause,
    });
  }
  return text;
}

/**
 * From what it has once seen freed of this size malloc(3) keeps smaller pieces, rather than ask the kernel for each anew (mallopt(3),
 * M_MMAP_THRESHOLD). It is not touched: it takes no memory.
 */
const LARGER_PIECE = 8 * 1024 * 1024;

function keepPieces(): void {
  release(Buffer.allocUnsafeSlow(LARGER_PIECE));
}

/** Decrypts, or encrypts, by small pieces of memory that is used again and again. */
function updateInPlace(text: Buffer, decipher: Decipheriv): void {
  keepPieces();
  for (let at = 0; at < text.length; at += PIECE_BYTES) {
    const piece = decipher.update(text.subarray(at, at + PIECE_BYTES));
    piece.copy(text, at);
    release(piece);
  }
}

/**
 * Encrypts a tar.gz with a fresh nonce, in its own memory. Each piece has been decrypted again, and the tag verified: what this
 * returns opens with the key.
 * @param archive in pieces, which are part of the vault afterwards
 * @param key derived with exactly this `salt`, which must be fresh as well
 * @returns the vault, in pieces
 */
export function seal(archive: readonly Buffer[], key: Buffer, salt: Buffer): Buffer[] {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  keepPieces();
  for (const part of archive) {
    for (let at = 0; at < part.length; at += PIECE_BYTES) {
      const piece = part.subarray(at, at + PIECE_BYTES);
      const encrypted = cipher.update(piece);
      const decrypted = decipher.update(encrypted);
      if (!decrypted.equals(piece)) throw new Error('what was encrypted is not what it decrypts to');
      encrypted.copy(piece);
      wipe(decrypted);
      for (const copy of [encrypted, decrypted]) release(copy);
    }
  }
  cipher.final();
  const tag = cipher.getAuthTag();
  decipher.setAuthTag(tag);
  decipher.final();
  return [Buffer.concat([salt, nonce]), ...archive, tag];
}

/** The bytes at the two ends of a vault that its fingerprint is made of. */
export const FINGERPRINT_ENDS = { head: CIPHERTEXT_AT, tail: TAG_BYTES } as const;

/**
 * Tells one version of a vault file from every other: hex of salt, nonce and tag, which no two saves share.
 * A file too short to be a vault is its own fingerprint.
 * @param sealed the file, or the pieces that `seal` made
 */
export function fingerprintOf(...sealed: readonly Buffer[]): string {
  const [first = Buffer.alloc(0), last = first] = [sealed[0], sealed.at(-1)];
  if (lengthOf(sealed) < SHORTEST) return Buffer.concat(sealed).toString('hex');
  return first.toString('hex', 0, CIPHERTEXT_AT) + last.toString('hex', last.length - TAG_BYTES);
}
