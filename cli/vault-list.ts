// `tazpod vault list`: what a vault holds, by extraction's own rules, without writing any of it.
// Names are escaped, one a line, directories with a slash, as `tar t` has them.

import { escapeName } from '../lib/escape.ts';
import type { ExitStatus } from '../lib/errors.ts';
import { listArchive, type Member } from '../lib/list.ts';
import type { Call } from './call.ts';
import { inFile } from './in-file.ts';
import { limitsOf } from './limits-option.ts';
import { openVault } from './opened-vault.ts';
import { givenPassphrase } from './passphrase-source.ts';
import { beginSealedFile } from './sealed-file.ts';

export async function vaultList(call: Call): Promise<ExitStatus> {
  const { given, output } = call;
  const limits = limitsOf(given);
  using passphrase = await givenPassphrase(call);
  const file = given.operand(0);
  using vault = await inFile(file, openVault(await beginSealedFile(file), passphrase));
  // Gathered first: only the end of an archive says that it is sound.
  const members = await inFile(file, Array.fromAsync(listArchive(vault.archive, limits), describe));
  output.data(members.map(({ name, type }) => (type === 'directory' ? `${name}/\n` : `${name}\n`)).join(''));
  output.result({ members });
  return 0;
}

interface Listed {
  /** Escaped: what is not printable UTF-8 stands as `\xNN` or `\u{…}`, a backslash doubled. */
  readonly name: string;
  readonly type: Member['type'];
  /** Permission bits in octal. */
  readonly mode: string;
  readonly size: number;
  readonly target?: string;
}

function describe({ name, type, mode, size, target }: Member): Listed {
  const listed = { name: escapeName(name), type, mode: mode.toString(8).padStart(4, '0'), size };
  return target ? { ...listed, target: escapeName(target) } : listed;
}
