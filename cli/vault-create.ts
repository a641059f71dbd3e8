// `tazpod vault create`: a directory's contents into a new vault file, written with the care of a save, without PID 1.
// An existing file is not replaced without --force. What an unlock would not accept is left out, named, and gives 13.

import { statSync } from 'node:fs';
import { readingAdvice } from '../lib/advice.ts';
import { type ExitStatus, reasonOf, TazpodError } from '../lib/errors.ts';
import { packDirectory } from '../lib/pack.ts';
import { PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import { wipe } from '../lib/passphrase.ts';
import { lengthOf } from '../lib/pieces.ts';
import { deriveKey, digestKeyOf, fingerprintOf, newSalt, seal } from '../lib/seal.ts';
import { readVaultFile } from '../lib/vault-file.ts';
import { conflictError, replaceVaultFile } from '../lib/vault-replacement.ts';
import type { Call } from './call.ts';
import { LEFT_OUT_ADVICE } from './enclave-save.ts';
import { limitsOf } from './limits-option.ts';
import { newPassphrase } from './opened-vault.ts';
import { givenPassphrase } from './passphrase-source.ts';
import { formatSize } from './size.ts';

export async function vaultCreate(call: Call): Promise<ExitStatus> {
  const { given, output } = call;
  const limits = limitsOf(given);
  const directory = given.operand(0);
  const file = given.operand(1);
  checkDirectory(directory);
  const replaced = await checkFile(file, given.flag('force'));

  using passphrase = await newPassphrase(await givenPassphrase(call));
  const salt = newSalt();
  const key = await deriveKey(passphrase.bytes, salt);
  const digestKey = digestKeyOf(key);
  using line = output.progress();
  const { archive, entries, leftOut } = await packDirectory({
    directory,
    exclude: [PASSPHRASE_CACHE_NAME],
    limits,
    digestKey,
    progress: line.step('packing'),
  });
  for (const { name, reason } of leftOut) output.warn(`${name} is left out: ${reason}`);
  line.step(`writing ${formatSize(lengthOf(archive))}`);
  const sealed = seal(archive, key, salt);
  const bytes = lengthOf(sealed);
  const conflict = await replaceVaultFile(file, sealed, {
    known: replaced === undefined ? [] : [replaced],
    began: replaced,
  });
  wipe(key);
  if (conflict) throw conflictError(file, conflict);
  output.note(`created: ${file}, ${entries} entries, ${formatSize(bytes)}`);
  if (leftOut.length > 0) {
    const count = leftOut.length === 1 ? '1 entry' : `${leftOut.length} entries`;
    const error = new TazpodError(
      'refused-entry',
      `cannot put everything into ${file}: ${count} left out (named above)`,
      { hint: LEFT_OUT_ADVICE },
    );
    return output.fail(error, { file, entries, bytes, leftOut });
  }
  output.result({ file, entries, bytes });
  return 0;
}

function checkDirectory(directory: string): void {
  try {
    if (statSync(directory).isDirectory()) return;
  } catch (error) {
    throw new TazpodError('configuration', `cannot read the directory ${directory}: ${reasonOf(error)}`, {
      hint: readingAdvice(error, directory),
      cause: error,
    });
  }
  throw new TazpodError('configuration', `cannot read the directory ${directory}: it is not a directory`);
}

/** The fingerprint of the file that is to be replaced; nothing where there is none. */
async function checkFile(file: string, force: boolean): Promise<string | undefined> {
  // An unreadable place is refused here as well: no passphrase is asked for a file that cannot be written.
  const sealed = await readVaultFile(file);
  if (sealed && !force) {
    throw new TazpodError('usage', `cannot create ${file}: it exists already`, { hint: '--force replaces it' });
  }
  return sealed && fingerprintOf(sealed);
}
