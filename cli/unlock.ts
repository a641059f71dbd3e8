// `tazpod unlock`: vault to enclave. PID 1 mounts, we decrypt; the connection is the transaction. Whatever fails here,
// ending the connection before `commit` makes PID 1 undo all of it, so nothing is undone by hand.
// The key is derived while the enclave is being mounted and what extraction needs is loaded. The enclave is left before `commit`.

import { type Baseline, encodeBaseline } from '../lib/baseline.ts';
import { type ExitStatus, reasonOf } from '../lib/errors.ts';
import type { Extracted, Extractor } from '../lib/extract.ts';
import { DEFAULT_LIMITS } from '../lib/limits.ts';
import { BRIDGE_TARGET, ENCLAVE, VAULT_FILE, WORKSPACE } from '../lib/paths.ts';
import type { HookFailure } from '../lib/protocol.ts';
import { digestKeyOf, fingerprintOf, saltOf } from '../lib/seal.ts';
import type { Reading } from '../lib/reading.ts';
import { beginVaultFile } from '../lib/vault-file.ts';
import type { Call } from './call.ts';
import { ControlClient } from './control-client.ts';
import { enterEnclave } from './enclave-directory.ts';
import { extractHere, prepareExtraction } from './extraction.ts';
import { warnOfHooks } from './failed-hooks.ts';
import { newPassphrase, type OpenedVault, openVault } from './opened-vault.ts';
import { inFile } from './in-file.ts';
import { makeBridgeSource, writePassphraseCache } from './passphrase-cache.ts';
import { givenPassphrase, type Passphrase } from './passphrase-source.ts';
import { formatSize } from './size.ts';
import type { Output } from './output.ts';
import { type Waiting, warnOnUnlock } from './unlock-warnings.ts';

/** What an unlock did. */
export type Unlocked = { readonly failedHooks: readonly HookFailure[] } & (
  | { readonly already: true }
  | { readonly already: false; readonly entries: number; readonly bytes: number; readonly new: boolean }
);

export async function unlock(call: Call): Promise<ExitStatus> {
  const { output } = call;
  let waiting: readonly Waiting[] | undefined;
  // Before PID 1 hears of it, who starts the container's command then.
  const unlocked = await unlockVault(call, () => {
    waiting = warnOnUnlock(output);
  });
  tellUnlocked(unlocked, output);
  output.result({ state: 'unlocked', ...unlocked, waiting: waiting ?? warnOnUnlock(output) });
  return 0;
}

export function tellUnlocked(unlocked: Unlocked, output: Output): void {
  if (unlocked.already) output.note('already unlocked');
  else output.note(`unlocked: ${unlocked.entries} entries, ${formatSize(unlocked.bytes)}, in ${ENCLAVE}`);
}

/**
 * Unlocks, unless it is unlocked.
 * @param beforeCommit called where ending the connection would no longer undo it for sure
 */
export async function unlockVault(call: Call, beforeCommit: () => void = () => {}): Promise<Unlocked> {
  const { given, output } = call;
  const reading = beginVaultFile(VAULT_FILE);
  reading.catch(() => undefined);
  using passphrase = await givenPassphrase(call);
  const opening = passphrase && reading.then((sealed) => sealed && inFile(VAULT_FILE, openVault(sealed, passphrase)));
  const preparing = reading.then(prepareExtraction);
  // Their failures are met where they are awaited; until then they must not count as unhandled.
  for (const early of [opening, preparing]) early?.catch(() => undefined);
  // The key takes longest, and a connection some time to be made: the key first.
  await reading.catch(() => undefined);

  using client = ControlClient.of(given);
  const { device, cached } = await client.request({ op: 'open' });
  if (cached) {
    return { already: true, failedHooks: await commit(client, output, await unknownBaseline(reading, output)) };
  }

  const sealed = await reading;
  using vault = sealed && (await (opening ?? inFile(VAULT_FILE, openVault(sealed, undefined))));
  const fingerprint = sealed && fingerprintOf(await sealed.whole);
  const extracted = vault
    ? await fill(await preparing, device, vault, output)
    : await fillNew(device, passphrase, output);
  const baseline = fingerprint === undefined ? NO_VAULT : baselineOf(fingerprint, extracted.contents);
  beforeCommit();
  const failedHooks = await commit(client, output, baseline);
  return { already: false, entries: extracted.entries, bytes: extracted.bytes, new: !sealed, failedHooks };
}

/** Extracts the vault into the enclave of `device`. */
async function fill(
  extractor: Extractor,
  device: number,
  { archive, key, passphrase }: OpenedVault,
  output: Output,
): Promise<Extracted> {
  using line = output.progress();
  using enclave = enterEnclave(device);
  const extracting = extractHere(extractor, archive, {
    limits: { ...DEFAULT_LIMITS, contents: enclave.size },
    digestKey: digestKeyOf(key),
    progress: line.step('unlocking'),
  });
  const extracted = await inFile(VAULT_FILE, extracting);
  finish(passphrase);
  return extracted;
}

/** There is no vault yet: an empty enclave, and the passphrase that its first save will seal with. */
async function fillNew(device: number, given: Parameters<typeof newPassphrase>[0], output: Output): Promise<Extracted> {
  output.warn(
    `there is no vault at ${VAULT_FILE}: beginning with an empty one (if there should be one, see what is mounted at ${WORKSPACE})`,
  );
  using passphrase = await newPassphrase(given);
  using _enclave = enterEnclave(device);
  process.umask(0);
  finish(passphrase);
  return { entries: 0, bytes: 0, contents: undefined };
}

/** The cache comes last: where it is, the enclave is whole; what is younger, PID 1 takes for a change. */
function finish({ bytes }: Passphrase): void {
  makeBridgeSource();
  writePassphraseCache(bytes);
}

async function commit(client: ControlClient, output: Output, baseline: Baseline): Promise<readonly HookFailure[]> {
  const request = { op: 'commit', baseline: encodeBaseline(baseline) } as const;
  const { covers, failedHooks = [] } = await client.request(request);
  if (covers) {
    output.warn(`${BRIDGE_TARGET} held files: they lie covered until the lock, in the clear on the container's disk`);
  }
  warnOfHooks(failedHooks, output);
  return failedHooks;
}

function baselineOf(fingerprint: string, contents: Extracted['contents']): Baseline {
  return { vault: { fingerprint, contents }, began: fingerprint };
}

/** The first save writes, whatever there is, so that the vault exists. */
const NO_VAULT: Baseline = { vault: undefined, began: undefined };

/**
 * For an enclave that outlived the PID 1 that unlocked it: what it was read from is taken to be the vault as it is, and
 * what was saved last is unknown, so the next save writes. (A PID 1 that knows better keeps what it knows.)
 * An unreadable vault must not undo this unlock: the enclave may hold the only copy of something.
 */
async function unknownBaseline(reading: Promise<Reading | undefined>, output: Output): Promise<Baseline> {
  try {
    const sealed = await reading;
    if (!sealed) return NO_VAULT;
    const whole = await sealed.whole;
    // Throws for what is too short to be a vault: the enclave was read from another file.
    saltOf(whole);
    return baselineOf(fingerprintOf(whole), undefined);
  } catch (error) {
    output.warn(reasonOf(error));
    return NO_VAULT;
  }
}
