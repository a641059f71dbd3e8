// From the enclave to the vault, under the saver's lock. Nothing changed: nothing is written.
// What was packed gets its place on disk only with PID 1's leave: it could have been packed while the enclave was wiped.

import { dirname } from 'node:path';

import { writingAdvice } from '../lib/advice.ts';
import { type Baseline, encodeBaseline } from '../lib/baseline.ts';
import { reasonOf, TazpodError } from '../lib/errors.ts';
import type { LeftOut } from '../lib/pack.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import { lengthOf } from '../lib/pieces.ts';
import type { Replies } from '../lib/protocol.ts';
import { fingerprintOf } from '../lib/seal.ts';
import { conflictError, replaceVaultFile } from '../lib/vault-replacement.ts';
import type { ControlClient } from './control-client.ts';
import type { KeyAhead } from './key-ahead.ts';
import { lastSaved } from './last-saved.ts';
import type { Output } from './output.ts';
import { PackedEnclave } from './packed-enclave.ts';
import { formatSize } from './size.ts';

export interface Saved {
  /** False when nothing had changed since the vault was read or written last. */
  readonly written: boolean;
  readonly leftOut: readonly LeftOut[];
}

/**
 * Saves, under the saver's lock that `lock` tells of.
 * @param ahead the key of the new vault, if that was begun before
 * @throws TazpodError `conflict`, `too-big`, `cannot-mount`; `locked` when the enclave was locked meanwhile; `save-failed`
 *   for all that the system refuses
 */
export async function saveEnclave(
  client: ControlClient,
  lock: Replies['save'],
  output: Output,
  ahead?: KeyAhead,
): Promise<Saved> {
  try {
    const before = lastSaved(lock);
    using line = output.progress();
    using packed = await PackedEnclave.of(lock.device, output, line, { versions: before.versions, ahead });
    const { leftOut } = packed;
    if (packed.same && before.holds(packed.same)) {
      if (!lock.final) await client.request({ op: 'unchanged' });
      output.note(leftOut.length === 0 ? 'nothing to save' : 'nothing else to save');
      return { written: false, leftOut };
    }
    const { bytes, conflict } = await writeVault(client, lock, before.baseline, packed);
    if (conflict) throw conflictError(VAULT_FILE, conflict);
    output.note(`saved: ${formatSize(bytes)} in ${VAULT_FILE}`);
    return { written: true, leftOut };
  } catch (error) {
    if (error instanceof TazpodError) throw error;
    throw new TazpodError('save-failed', `cannot save to ${VAULT_FILE}: ${reasonOf(error)}`, {
      hint: writingAdvice(error, dirname(VAULT_FILE)),
      cause: error,
    });
  }
}

async function writeVault(
  client: ControlClient,
  lock: Replies['save'],
  baseline: Baseline,
  packed: PackedEnclave,
): Promise<{ bytes: number; conflict: Baseline['conflict'] }> {
  const { contents } = packed;
  const sealed = packed.seal();
  const bytes = lengthOf(sealed);
  const { began } = baseline;
  let after = encodeBaseline(baseline);
  const made = await replaceVaultFile(VAULT_FILE, sealed, {
    // Who resolves a conflict by putting our version over the vault has not changed the vault behind our back.
    known: [baseline.vault, baseline.conflict].flatMap((version) => version?.fingerprint ?? []),
    began,
    conflict: baseline.conflict,
    async confirm(conflict) {
      after = encodeBaseline(
        conflict
          ? { ...baseline, conflict: { ...conflict, contents } }
          : { began, vault: { fingerprint: fingerprintOf(...sealed), contents } },
      );
      if (!lock.final) await client.request({ op: 'replace', baseline: after });
    },
  });
  if (!lock.final) await client.request({ op: 'saved', baseline: after, bytes });
  return { bytes, conflict: made && { ...made, contents } };
}

/** No vault holds it, whoever tries. */
export const LEFT_OUT_ADVICE = 'an unlock would not accept it: remove it, or keep it elsewhere';

/** What to say when a save left something out: the rest is safe. */
export function leftOutError({ leftOut }: Pick<Saved, 'leftOut'>): TazpodError {
  const count = leftOut.length === 1 ? '1 entry' : `${leftOut.length} entries`;
  return new TazpodError(
    'refused-entry',
    `cannot save everything: ${count} left out (named above); the rest is saved`,
    {
      hint: LEFT_OUT_ADVICE,
    },
  );
}
