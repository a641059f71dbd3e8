// docs/vault-format.md is enough to read a vault from: its example is right by Node's cryptography alone, opens by ours, and
// its reader in Python reads it.

import { createCipheriv, createDecipheriv, pbkdf2Sync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';

import { openVault } from '../support/vault.ts';

const DOCUMENT = await readFile(join(import.meta.dirname, '../../docs/vault-format.md'), 'utf8');
const EXAMPLE = fenced('', 'salt ');
const READER = fenced('python', 'import ');
const PASSPHRASE = /The passphrase is `([^`]+)`/.exec(DOCUMENT)?.[1] ?? '';

/** The text of the code block of a language whose text begins so. */
function fenced(language: string, beginning: string): string {
  const blocks = DOCUMENT.matchAll(/^```(\w*)\n([^]*?)^```$/gm);
  return blocks.find(([, name, text]) => name === language && text?.startsWith(beginning))?.[2] ?? '';
}

/** The bytes of one of the example's values, over as many lines as it has. */
function value(name: string): Buffer {
  const [, hex = ''] = new RegExp(`^${name} +((?:[0-9a-f]+\\n *)+)`, 'm').exec(EXAMPLE) ?? [];
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
}

const vault = Buffer.concat(['salt', 'nonce', 'ciphertext', 'tag'].map(value));

describe('the example of the document', () => {
  test('has a key that is derived as it says', () => {
    expect(pbkdf2Sync(PASSPHRASE, value('salt'), 100_000, 32, 'sha256')).toEqual(value('key'));
  });

  test('decrypts to its plaintext, and encrypts to its ciphertext and tag', () => {
    const decipher = createDecipheriv('aes-256-gcm', value('key'), value('nonce')).setAuthTag(value('tag'));
    expect(Buffer.concat([decipher.update(value('ciphertext')), decipher.final()])).toEqual(value('plaintext'));
    const cipher = createCipheriv('aes-256-gcm', value('key'), value('nonce'));
    expect(Buffer.concat([cipher.update(value('plaintext')), cipher.final()])).toEqual(value('ciphertext'));
    expect(cipher.getAuthTag()).toEqual(value('tag'));
  });

  test('has the length and the blocks that it says', () => {
    expect(vault).toHaveLength(214);
    const tar = gunzipSync(value('plaintext'));
    expect(tar).toHaveLength(5 * 512);
    const text = (at: number, length: number): string => tar.toString('latin1', at, at + length);
    const headers = [0, 512].map((at) => [
      text(at, 12),
      text(at + 100, 6),
      text(at + 124, 12),
      text(at + 136, 11),
      text(at + 156, 1),
    ]);
    expect(headers.map((fields) => fields.map((field) => field.replace(/[ \0]+$/, '')))).toEqual([
      ['.aws/', '000700', '0000000000', '15125334400', '5'],
      ['.aws/config', '000600', '0000000012', '15125334400', '0'],
    ]);
    expect(Date.parse('2026-01-01T00:00:00Z') / 1000).toBe(0o15125334400);
    expect(text(1024, 512)).toBe('[default]\n'.padEnd(512, '\0'));
  });

  test('opens by ours', async () => {
    expect(await openVault(vault, PASSPHRASE)).toEqual({ '.aws/config': '[default]\n' });
  });
});

test('the reader of the document reads the example, and tells a wrong passphrase', async ({ skip }) => {
  const probe = await execa('python3', ['-c', 'import cryptography'], { reject: false });
  if (probe.failed) {
    if (process.env['CI'] === 'true') throw new Error('cannot run the reader: python3-cryptography is not installed');
    skip('python3 or its package cryptography is not installed');
  }
  const directory = await mkdtemp(join(tmpdir(), 'tazpod-format-'));
  try {
    const [reader, file] = [join(directory, 'reader.py'), join(directory, 'vault')];
    await writeFile(reader, READER);
    await writeFile(file, vault);
    const read = (input: string) => execa('python3', [reader, file], { input, reject: false });
    expect(await read(PASSPHRASE)).toMatchObject({
      exitCode: 0,
      stdout: "700        0 '.aws'\n600       10 '.aws/config'",
    });
    expect(await read('incorrect horse')).toMatchObject({ exitCode: 1, stderr: 'wrong passphrase or corrupt file' });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
