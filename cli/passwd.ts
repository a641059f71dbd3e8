// `tazpod passwd`: another passphrase for the vault of this container. Locked, its file is sealed anew. Unlocked, the enclave
// as it is now is saved under the new passphrase, and that is what the enclave keeps for the saves to come.
// Killed at any moment it leaves one of the two: the cache changes right before the file gets its name, and by the cache the
// next save seals; a kill in between leaves contents whose digest no baseline has, so that the next save writes them.

import { readFile } from 'node:fs/promises';

import { encodeBaseline } from '../lib/baseline.ts';
import { type ExitStatus, TazpodError } from '../lib/errors.ts';
import type { LeftOut } from '../lib/pack.ts';
import { passphraseFromFile, wipe } from '../lib/passphrase.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import { lengthOf } from '../lib/pieces.ts';
import type { Replies } from '../lib/protocol.ts';
import { fingerprintOf } from '../lib/seal.ts';
import { fingerprintAt, readVaultFile } from '../lib/vault-file.ts';
import { replaceVaultFile } from '../lib/vault-replacement.ts';
import { readPassphraseCache } from './cached-passphrase.ts';
import type { Call } from './call.ts';
import { ControlClient } from './control-client.ts';
import { enterEnclave } from './enclave-directory.ts';
import { leftOutError } from './enclave-save.ts';
import { Interruption } from './interruption.ts';
import { lastSaved } from './last-saved.ts';
import { olderCopies, warnOfOlderCopies } from './older-copies.ts';
import type { Output } from './output.ts';
import { PackedEnclave } from './packed-enclave.ts';
import { replacePassphraseCache } from './passphrase-cache.ts';
import { changeOfPassphrase, type PassphraseChange } from './passphrase-change.ts';
import type { Passphrase } from './passphrase-source.ts';
import { changedMeanwhile, checkOpens, resealFile } from './reseal.ts';
import { takeSaversLockUnlessLocked } from './savers-lock.ts';
import { formatSize } from './size.ts';

interface Changed {
  /** Of the vault. */
  readonly bytes: number;
  readonly leftOut: readonly LeftOut[];
}

export async function passwd(call: Call): Promise<ExitStatus> {
  const { output } = call;
  // No lock is held while somebody types.
  using change = await changeOfPassphrase(call, async (old) => {
    using client = ControlClient.connect();
    const lock = await takeSaversLockUnlessLocked(client, output);
    await (lock ? checkIsCached(lock.device, old) : checkOpens(await vaultOfSession(), old));
  });
  if (change.isNone) {
    output.warn('the new passphrase is the old one: nothing was changed');
    output.result({ changed: false, vault: VAULT_FILE });
    return 0;
  }

  using client = ControlClient.connect();
  const lock = await takeSaversLockUnlessLocked(client, output);
  const { bytes, leftOut } = await (lock ? resealEnclave(client, lock, change, output) : resealVault(client, change));
  const older = await olderCopies(VAULT_FILE);
  output.note(`passphrase changed: ${VAULT_FILE}, ${formatSize(bytes)}`);
  warnOfOlderCopies(older, output);
  await warnOfVariables(change.new, output);
  const outcome = { changed: true, vault: VAULT_FILE, bytes, older };
  if (leftOut.length > 0) return output.fail(leftOutError({ leftOut }), { ...outcome, leftOut });
  output.result(outcome);
  return 0;
}

/** @throws TazpodError `wrong-passphrase` */
function checkIsCached(device: number, old: Passphrase): void {
  using _enclave = enterEnclave(device);
  using cached = readPassphraseCache();
  if (!cached.bytes.equals(old.bytes)) {
    throw new TazpodError('wrong-passphrase', 'cannot change the passphrase: that is not the old one');
  }
}

async function vaultOfSession(): Promise<Buffer> {
  const sealed = await readVaultFile(VAULT_FILE);
  if (sealed) return sealed;
  throw new TazpodError('configuration', `cannot change the passphrase: there is no vault at ${VAULT_FILE}`, {
    hint: '"tazpod unlock" begins one',
  });
}

function putInCache(device: number, { bytes }: Passphrase): void {
  using _enclave = enterEnclave(device);
  replacePassphraseCache(bytes);
}

/** The vault is locked: its file is all that there is. */
async function resealVault(client: ControlClient, change: PassphraseChange): Promise<Changed> {
  const bytes = await resealFile(VAULT_FILE, await vaultOfSession(), change, async () => {
    const { state } = await client.requestBriefly({ op: 'status' });
    if (state !== 'locked') {
      throw new TazpodError('conflict', 'cannot change the passphrase: the vault was unlocked meanwhile', {
        hint: 'nothing was changed: try again',
      });
    }
  });
  return { bytes, leftOut: [] };
}

/** The vault is unlocked: a save under the new passphrase, under the saver's lock that `lock` tells of. */
async function resealEnclave(
  client: ControlClient,
  lock: Replies['save'],
  change: PassphraseChange,
  output: Output,
): Promise<Changed> {
  // Between the question and the lock there was time for another passwd.
  checkIsCached(lock.device, change.old);
  const { baseline } = lastSaved(lock);
  using line = output.progress();
  using packed = await PackedEnclave.of(lock.device, output, line, { other: change.new });
  const sealed = packed.seal();
  const bytes = lengthOf(sealed);
  const { began } = baseline;
  const vault = { fingerprint: fingerprintOf(...sealed), contents: packed.contents };
  const after = encodeBaseline({ began, vault });
  const isNotDone = (): boolean => {
    try {
      return fingerprintAt(VAULT_FILE) !== vault.fingerprint;
    } catch {
      return false;
    }
  };
  using last = new DisposableStack();
  let cacheChanges = false;
  try {
    await replaceVaultFile(VAULT_FILE, sealed, {
      known: [baseline.vault, baseline.conflict].flatMap((version) => version?.fingerprint ?? []),
      began,
      async confirm(conflict) {
        if (conflict)
          throw changedMeanwhile(VAULT_FILE, 'nothing was changed; "tazpod save" puts your version beside it');
        await client.request({ op: 'replace', baseline: after });
        // The rest is a moment, which only SIGKILL may cut in two.
        last.use(new Interruption());
        cacheChanges = true;
        putInCache(lock.device, change.new);
      },
    });
  } catch (error) {
    // Where it cannot be told which of the two the file has, the new one is right: the next save puts the file under it.
    if (cacheChanges && isNotDone()) putInCache(lock.device, change.old);
    throw error;
  }
  await client.request({ op: 'saved', baseline: after, bytes });
  return { bytes, leftOut: packed.leftOut };
}

/** What the container was started with is beyond our reach: it is told that the next start will not be able to unlock. */
async function warnOfVariables(passphrase: Passphrase, output: Output): Promise<void> {
  // An empty variable counts as not set, as for PID 1.
  if (process.env['TAZPOD_PASSPHRASE']) {
    output.warn('TAZPOD_PASSPHRASE has to be changed, too: with the old passphrase the next start cannot unlock');
  }
  const path = process.env['TAZPOD_PASSPHRASE_FILE'];
  if (!path || (await holds(path, passphrase))) return;
  output.warn(
    `${path} (TAZPOD_PASSPHRASE_FILE) has to be changed, too: with the old passphrase the next start cannot unlock`,
  );
}

/** A file that only PID 1 may read, of root's alone, holds whatever it held. */
async function holds(path: string, { bytes }: Passphrase): Promise<boolean> {
  const contents = await readFile(path).catch(() => undefined);
  if (contents === undefined) return false;
  const isSame = passphraseFromFile(contents).equals(bytes);
  wipe(contents);
  return isSame;
}
