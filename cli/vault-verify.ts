// `tazpod vault verify`: whether a vault would open, by unlock's own rules and to its last byte, without writing any of it.

import { checkArchive, type Checked } from '../lib/check-archive.ts';
import type { ExitStatus } from '../lib/errors.ts';
import type { ArchiveLimits } from '../lib/limits.ts';
import type { Call } from './call.ts';
import { inFile } from './in-file.ts';
import { limitsOf } from './limits-option.ts';
import { type OpenedVault, openVault } from './opened-vault.ts';
import { givenPassphrase } from './passphrase-source.ts';
import type { Output } from './output.ts';
import { beginSealedFile } from './sealed-file.ts';
import { formatSize } from './size.ts';

const PAGE = 4096;
const MEBIBYTE = 2 ** 20;

export async function vaultVerify(call: Call): Promise<ExitStatus> {
  const { given, output } = call;
  const limits = limitsOf(given);
  const file = given.operand(0);
  using passphrase = await givenPassphrase(call);
  using vault = await inFile(file, openVault(await beginSealedFile(file), passphrase));
  const { entries, bytes, room } = await inFile(file, check(vault, limits, output));
  output.note(`verified: ${entries} entries, ${formatSize(bytes)}, in ${file}`);
  // The passphrase is kept beside the contents, and takes a page as every small file does.
  const needed = Math.ceil((room + PAGE) / MEBIBYTE);
  if (needed * MEBIBYTE > limits.contents) {
    output.warn(
      `to be unlocked it needs an enclave of ${needed}m (TAZPOD_ENCLAVE_SIZE): each file takes whole pages of 4 KiB`,
    );
  }
  output.result({ file, entries, bytes, room });
  return 0;
}

async function check({ archive }: OpenedVault, limits: ArchiveLimits, output: Output): Promise<Checked> {
  using line = output.progress();
  return await checkArchive(archive, { limits, progress: line.step('checking') });
}
