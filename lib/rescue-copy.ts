// An encrypted copy of the enclave, put anywhere but in the vault's place when that cannot be written: a vault file of its
// own, `vault.tar.aes.rescue-TIME`, written with the same care.

import { basename, join } from 'node:path';

import { lockDirectory } from './directory-lock.ts';
import { VAULT_FILE } from './paths.ts';
import { freeName, giveName, writeVerified } from './verified-file.ts';

/**
 * Writes a copy into a directory, which must exist.
 * @param confirm asked last of all, before the copy gets its name; what it throws leaves nothing
 * @returns its path
 * @throws the system's error, or what `confirm` throws
 */
export async function writeRescueCopy(
  directory: string,
  sealed: readonly Buffer[],
  confirm: () => Promise<void>,
): Promise<string> {
  const path = join(directory, basename(VAULT_FILE));
  await using temporary = await writeVerified(path, sealed);
  await using _lock = await lockDirectory(directory);
  await confirm();
  const name = await freeName(path, 'rescue');
  await giveName(temporary, name);
  return name;
}
