// `tazpod vault passwd`: another passphrase for a vault file anywhere, without PID 1. What is in it is not looked at.

import { realpath } from 'node:fs/promises';

import { type ExitStatus, TazpodError } from '../lib/errors.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import { readVaultFile } from '../lib/vault-file.ts';
import type { Call } from './call.ts';
import { ControlClient } from './control-client.ts';
import { olderCopies, warnOfOlderCopies } from './older-copies.ts';
import { changeOfPassphrase } from './passphrase-change.ts';
import { checkOpens, resealFile } from './reseal.ts';
import { formatSize } from './size.ts';

export async function vaultPasswd(call: Call): Promise<ExitStatus> {
  const { given, output } = call;
  const file = given.operand(0);
  const sealed = await readVaultFile(file);
  if (!sealed) throw new TazpodError('configuration', `cannot read the vault ${file}: no such file or directory`);
  await refuseUnlocked(file);
  using change = await changeOfPassphrase(call, async (old) => checkOpens(sealed, old));
  if (change.isNone) {
    output.warn('the new passphrase is the old one: nothing was changed');
    output.result({ changed: false, file });
    return 0;
  }
  const bytes = await resealFile(file, sealed, change);
  const older = await olderCopies(file);
  output.note(`passphrase changed: ${file}, ${formatSize(bytes)}`);
  warnOfOlderCopies(older, output);
  output.result({ changed: true, file, bytes, older });
  return 0;
}

/** The vault of this container's session is PID 1's matter, too: it has to know of the new one, and of its passphrase. */
async function refuseUnlocked(file: string): Promise<void> {
  const [path, own] = await Promise.all([realpath(file), realpath(VAULT_FILE).catch(() => undefined)]);
  if (path !== own || (await stateOfSession()) === 'locked') return;
  throw new TazpodError('usage', `cannot change the passphrase of ${file}: it is the vault that is unlocked here`, {
    hint: '"tazpod passwd" changes it',
  });
}

/** Where no PID 1 answers nothing is unlocked. */
async function stateOfSession(): Promise<string> {
  try {
    using client = ControlClient.connect();
    return (await client.requestBriefly({ op: 'status' })).state;
  } catch (error) {
    if (error instanceof TazpodError && error.code === 'unreachable') return 'locked';
    throw error;
  }
}
