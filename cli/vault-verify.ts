// `tazpod vault verify`: whether a vault would open, by unlock's own rules and to its last byte, without writing any of it.

import { checkArchive } from '../lib/check-archive.ts';
import type { ExitStatus } from '../lib/errors.ts';
import { wipe } from '../lib/passphrase.ts';
import { digestKeyOf } from '../lib/seal.ts';
import type { Call } from './call.ts';
import { limitsOf } from './limits-option.ts';
import { openVault } from './opened-vault.ts';
import { givenPassphrase } from './passphrase-source.ts';
import { readSealedFile } from './sealed-file.ts';
import { formatSize } from './size.ts';

export async function vaultVerify(call: Call): Promise<ExitStatus> {
  const { given, output } = call;
  const limits = limitsOf(given);
  const file = given.operand(0);
  using passphrase = await givenPassphrase(call);
  using vault = await openVault(await readSealedFile(file), passphrase);
  const digestKey = digestKeyOf(vault.key);
  const { entries, bytes } = await checkArchive(vault.archive, { limits, digestKey });
  wipe(digestKey);
  output.note(`verified: ${entries} entries, ${formatSize(bytes)}, in ${file}`);
  output.result({ file, entries, bytes });
  return 0;
}
