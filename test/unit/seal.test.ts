// The vault's bytes, against an implementation made of nothing but Node's own primitives.

import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';

import { deriveKey, digestKeyOf, fingerprintOf, newSalt, saltOf, seal, unseal, unsealInPlace } from '../../lib/seal.ts';

// Only a limit for what hangs: nothing here depends on time.
vi.setConfig({ testTimeout: 60_000 });

const passphrase = Buffer.from('correct horse battery staple');
const wrong = { code: 'wrong-passphrase', message: expect.stringContaining('wrong passphrase or corrupt file') };

async function sealed(plaintext: string): Promise<{ bytes: Buffer; key: Buffer; salt: Buffer }> {
  const salt = newSalt();
  const key = await deriveKey(passphrase, salt);
  return { bytes: Buffer.concat(seal([Buffer.from(plaintext)], key, salt)), key, salt };
}

describe('a sealed vault', () => {
  test('is salt, nonce, ciphertext and tag, as any tool can open it', async () => {
    const { bytes } = await sealed('secret');
    const key = pbkdf2Sync(passphrase, bytes.subarray(0, 32), 100_000, 32, 'sha256');
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(32, 44));
    decipher.setAuthTag(bytes.subarray(-16));
    expect(Buffer.concat([decipher.update(bytes.subarray(44, -16)), decipher.final()]).toString()).toBe('secret');
  });

  test('that another tool made opens', async () => {
    const salt = randomBytes(32);
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', pbkdf2Sync(passphrase, salt, 100_000, 32, 'sha256'), nonce);
    const ciphertext = Buffer.concat([cipher.update('secret'), cipher.final()]);
    const bytes = Buffer.concat([salt, nonce, ciphertext, cipher.getAuthTag()]);
    expect(unseal(bytes, await deriveKey(passphrase, saltOf(bytes))).toString()).toBe('secret');
  });

  test('may hold nothing', async () => {
    const { bytes, key } = await sealed('');
    expect(bytes).toHaveLength(60);
    expect(unseal(bytes, key)).toHaveLength(0);
  });

  test('is refused when any one bit of it is another, the salt’s included', async () => {
    const { bytes } = await sealed('s');
    for (const at of [0, 31, 32, 43, 44, 45, 60]) {
      const corrupt = Buffer.from(bytes);
      corrupt[at] = (corrupt[at] ?? 0) ^ 1;
      const key = await deriveKey(passphrase, saltOf(corrupt));
      expect(() => unseal(corrupt, key)).toThrow(expect.objectContaining(wrong));
    }
  });

  test('is refused with another passphrase, without one trailing newline, or in another normal form', async () => {
    const { bytes } = await sealed('s');
    for (const other of ['correct horse', 'correct horse battery staple\n', 'Correct horse battery staple']) {
      const key = await deriveKey(Buffer.from(other), saltOf(bytes));
      expect(() => unseal(bytes, key)).toThrow(expect.objectContaining(wrong));
    }
    const [composed, decomposed] = ['\u00e9', 'e\u0301'].map((text) => Buffer.from(text));
    const salt = newSalt();
    expect(await deriveKey(composed ?? passphrase, salt)).not.toEqual(await deriveKey(decomposed ?? passphrase, salt));
  });

  test('cut short anywhere is refused', async () => {
    const { bytes, key } = await sealed('secret');
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => unseal(bytes.subarray(0, length), key)).toThrow(
        expect.objectContaining({ code: 'wrong-passphrase' }),
      );
    }
    expect(() => saltOf(bytes.subarray(0, 59))).toThrow(/too short/);
  });

  test.each([0, 1, 100_000, 256 * 1024, 700_000])(
    'of %i bytes opens in its own memory, and keeps its ends',
    async (length) => {
      const plaintext = 'secret '.repeat(length / 7 + 1).slice(0, length);
      const { bytes, key } = await sealed(plaintext);
      const fingerprint = fingerprintOf(bytes);
      const opened = unsealInPlace(bytes, key);
      expect(opened.toString()).toBe(plaintext);
      expect(opened.buffer).toBe(bytes.buffer);
      expect(fingerprintOf(bytes)).toBe(fingerprint);
    },
  );

  test.each([0, 1, 100_000, 256 * 1024, 700_000])('of %i bytes is as it was if it does not open', async (length) => {
    const { bytes, key } = await sealed('x'.repeat(length));
    const before = Buffer.from(bytes);
    expect(() => unsealInPlace(bytes, Buffer.alloc(32))).toThrow(expect.objectContaining(wrong));
    expect(bytes.equals(before)).toBe(true);
    expect(unsealInPlace(bytes, key).equals(Buffer.from('x'.repeat(length)))).toBe(true);
  });

  test('never has the bytes or the fingerprint of another save of the same contents', async () => {
    const { bytes, key, salt } = await sealed('secret');
    const again = Buffer.concat(seal([Buffer.from('secret')], key, salt));
    expect(again.equals(bytes)).toBe(false);
    expect(fingerprintOf(again)).not.toBe(fingerprintOf(bytes));
    expect(fingerprintOf(Buffer.from(bytes))).toBe(fingerprintOf(bytes));
  });
});

test('the key of digests is neither the vault’s key nor another vault’s', async () => {
  const [one, other] = [await deriveKey(passphrase, newSalt()), await deriveKey(passphrase, newSalt())];
  expect(digestKeyOf(one)).toEqual(digestKeyOf(Buffer.from(one)));
  expect(digestKeyOf(one)).not.toEqual(one);
  expect(digestKeyOf(one)).not.toEqual(digestKeyOf(other));
});
