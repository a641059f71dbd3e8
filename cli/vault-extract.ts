// `tazpod vault extract`: a vault's contents into a new directory, by the rules of unlock, without PID 1.
// The directory appears whole or not at all, also when a signal ends the program. It is an ordinary directory on disk:
// what is extracted lies there in the clear.

import type { ExitStatus } from '../lib/errors.ts';
import type { Call } from './call.ts';
import { extractHere, prepareExtraction } from './extraction.ts';
import { inFile } from './in-file.ts';
import { Interruption } from './interruption.ts';
import { limitsOf } from './limits-option.ts';
import { NewDirectory } from './new-directory.ts';
import { openVault } from './opened-vault.ts';
import { givenPassphrase } from './passphrase-source.ts';
import { beginSealedFile } from './sealed-file.ts';
import { formatSize } from './size.ts';

export async function vaultExtract(call: Call): Promise<ExitStatus> {
  const { given, output } = call;
  const limits = limitsOf(given);
  const place = given.operand(1);
  using passphrase = await givenPassphrase(call);
  const file = given.operand(0);
  const sealed = await beginSealedFile(file);
  const [opened, prepared] = await Promise.all([inFile(file, openVault(sealed, passphrase)), prepareExtraction()]);
  using vault = opened;
  using interruption = new Interruption();
  using directory = new NewDirectory(place);
  // Stopped before the directory is removed.
  using extractor = prepared;
  using line = output.progress();
  // Short names are found sooner.
  process.chdir(directory.path);
  const extracting = extractHere(extractor, vault.archive, { limits, progress: line.step('extracting') });
  const { entries, bytes } = await interruption.orEndOf(inFile(file, extracting));
  directory.keep();
  output.note(`extracted: ${entries} entries, ${formatSize(bytes)}, in ${place}`);
  output.result({ directory: place, entries, bytes });
  return 0;
}
