// `tazpod save`: enclave to vault. PID 1 lends the saver's lock and what was saved last; the work is ours.
// Nothing changed: nothing is written. What unlock would not accept is left out and named, and the save ends with 13.
// What is about to replace the vault is read back from disk and opened by unlock's own rules first.

import { decodeBaseline, encodeBaseline } from '../lib/baseline.ts';
import { checkArchive } from '../lib/check-archive.ts';
import { type ExitStatus, reasonOf, TazpodError } from '../lib/errors.ts';
import { DEFAULT_LIMITS } from '../lib/limits.ts';
import { type LeftOut, packDirectory } from '../lib/pack.ts';
import { PASSPHRASE_CACHE_NAME, VAULT_FILE } from '../lib/paths.ts';
import { wipe } from '../lib/passphrase.ts';
import type { Replies } from '../lib/protocol.ts';
import { deriveKey, digestKeyOf, fingerprintOf, newSalt, seal, unseal } from '../lib/seal.ts';
import { replaceVaultFile } from '../lib/vault-file.ts';
import type { Call } from './call.ts';
import { ControlClient } from './control-client.ts';
import { enterEnclave } from './enclave-directory.ts';
import type { Output } from './output.ts';
import { readPassphraseCache } from './passphrase-cache.ts';
import { formatSize } from './size.ts';

/** How long another save may keep us waiting before a person is told, in milliseconds. */
const UNREMARKABLE = 1000;

export interface Saved {
  /** False when nothing had changed since the vault was read or written last. */
  readonly written: boolean;
  readonly leftOut: readonly LeftOut[];
}

export async function save({ given, output }: Call): Promise<ExitStatus> {
  using client = await ControlClient.of(given);
  const saved = await saveEnclave(client, await takeSaversLock(client, output), output);
  if (saved.leftOut.length > 0) return output.fail(leftOutError(saved), { saved: true, ...saved });
  output.result({ ...saved });
  return 0;
}

/**
 * Waits until no other process saves. The lock is freed when the connection ends.
 * @throws TazpodError `locked` when there is nothing to save
 */
export async function takeSaversLock(client: ControlClient, output: Output): Promise<Replies['save']> {
  const remark = setTimeout(() => {
    if (output.isWatched) output.note('waiting for another save to end');
  }, UNREMARKABLE);
  try {
    return await client.request({ op: 'save' });
  } finally {
    clearTimeout(remark);
  }
}

/**
 * Saves, under the saver's lock that `lock` tells of, and leaves the enclave again.
 * @throws TazpodError `conflict`, `too-big`, `cannot-mount`; `save-failed` for all that the system refuses
 */
export async function saveEnclave(client: ControlClient, lock: Replies['save'], output: Output): Promise<Saved> {
  try {
    return await writeVault(client, lock, output);
  } catch (error) {
    if (error instanceof TazpodError) throw error;
    throw new TazpodError('save-failed', `cannot save to ${VAULT_FILE}: ${reasonOf(error)}`, { cause: error });
  }
}

async function writeVault(client: ControlClient, lock: Replies['save'], output: Output): Promise<Saved> {
  using enclave = enterEnclave(lock.device);
  using passphrase = readPassphraseCache();
  const baseline = decodeBaseline(lock.baseline);
  const salt = newSalt();
  const [digestKey, key] = await Promise.all([
    deriveKey(passphrase.bytes, Buffer.from(baseline.salt, 'hex')).then(digestKeyOf),
    deriveKey(passphrase.bytes, salt),
  ]);
  const limits = { ...DEFAULT_LIMITS, contents: enclave.size };
  const { archive, contents, leftOut } = await packDirectory({
    directory: '.',
    exclude: [PASSPHRASE_CACHE_NAME],
    limits,
    digestKey,
  });
  try {
    for (const { name, reason } of leftOut) output.warn(`${name} is left out: ${reason}`);
    if (contents === baseline.contents) {
      output.note('nothing to save');
      return { written: false, leftOut };
    }
    const sealed = seal(archive, key, salt);
    await replaceVaultFile(VAULT_FILE, sealed, {
      expected: baseline.vault,
      began: baseline.began,
      verify: async (readBack) => {
        const plaintext = unseal(readBack, key);
        try {
          const found = await checkArchive(plaintext, { limits, digestKey });
          if (found.contents !== contents) throw new Error('what was read back is not what was packed');
        } finally {
          wipe(plaintext);
        }
      },
    });
    await client.request({
      op: 'saved',
      baseline: encodeBaseline({ ...baseline, vault: fingerprintOf(sealed), contents }),
      bytes: sealed.length,
    });
    output.note(`saved: ${formatSize(sealed.length)} in ${VAULT_FILE}`);
    return { written: true, leftOut };
  } finally {
    wipe(archive);
    wipe(key);
    wipe(digestKey);
  }
}

/** What to say when a save left something out: the rest is safe. */
export function leftOutError({ leftOut }: Saved): TazpodError {
  const count = leftOut.length === 1 ? '1 entry' : `${leftOut.length} entries`;
  return new TazpodError('refused-entry', `cannot save everything: ${count} left out (named above); the rest is saved`);
}
