// Vaults to unlock, made by the library as `tazpod vault create` makes them, and what a saved one holds.
// The canaries are words that must be nowhere but in the enclave: whatever is searched for them may not hold one.

import { mkdir, mkdtemp, readdir, readFile, rm, watch, writeFile, chown, lstat, readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { DEFAULT_LIMITS, extractArchive } from '../../lib/extract.ts';
import { packDirectory } from '../../lib/pack.ts';
import { VAULT_FILE, WORKSPACE } from '../../lib/paths.ts';
import { deriveKey, digestKeyOf, newSalt, saltOf, seal, unseal } from '../../lib/seal.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import type { Bundle } from '../../sandbox/bundle.ts';

export const PASSPHRASE = 'passphrase-canary-8d41 with a blank';
export const SECRET = 'secret-canary-52f7';
export const CANARIES = [PASSPHRASE, SECRET] as const;

/** What the vault holds unless a test says otherwise. */
export const CONTENTS = {
  '.aws/credentials': `[default]\naws_secret_access_key = ${SECRET}\n`,
  '.aws/config': '[default]\nregion = eu-south-1\n',
  'notes.md': `remember ${SECRET}\n`,
} as const satisfies Contents;

/** Regular files by their relative names. */
export type Contents = Readonly<Record<string, string | Uint8Array>>;

let sealedContents: Promise<Buffer> | undefined;

/** CONTENTS sealed with PASSPHRASE. */
export function defaultVault(): Promise<Buffer> {
  return (sealedContents ??= sealVault(CONTENTS));
}

/** A vault file's bytes. */
export async function sealVault(contents: Contents, passphrase: string = PASSPHRASE): Promise<Buffer> {
  await using directory = await temporaryDirectory();
  for (const [name, text] of Object.entries(contents)) {
    await mkdir(dirname(join(directory.path, name)), { recursive: true, mode: 0o700 });
    await writeFile(join(directory.path, name), text, { mode: 0o600 });
  }
  const salt = newSalt();
  const key = await deriveKey(Buffer.from(passphrase), salt);
  const limits = { ...DEFAULT_LIMITS, contents: 2 ** 30 };
  const { archive } = await packDirectory({
    directory: directory.path,
    exclude: [],
    limits,
    digestKey: digestKeyOf(key),
  });
  return Buffer.concat(seal(archive, key, salt));
}

/**
 * What a vault file's bytes hold; links as `-> TARGET`.
 * @throws TazpodError as an unlock would
 */
export async function openVault(sealed: Buffer, passphrase: string = PASSPHRASE): Promise<Record<string, string>> {
  await using directory = await temporaryDirectory();
  const key = await deriveKey(Buffer.from(passphrase), saltOf(sealed));
  const options = { directory: directory.path, limits: DEFAULT_LIMITS, digestKey: digestKeyOf(key) };
  await extractArchive(unseal(sealed, key), options);
  const contents: Record<string, string> = {};
  for (const name of (await readdir(directory.path, { recursive: true })).sort()) {
    const path = join(directory.path, name);
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) contents[name] = `-> ${await readlink(path)}`;
    else if (stats.isFile()) contents[name] = await readFile(path, 'utf8');
  }
  return contents;
}

/** Where a bundle's vault file is on this machine. */
export function vaultPath(bundle: Pick<Bundle, 'workspace'>): string {
  return join(bundle.workspace, VAULT_FILE.slice(WORKSPACE.length));
}

/** Puts a vault into a bundle's workspace, as the operator's. */
export async function placeVault(bundle: Pick<Bundle, 'workspace'>, sealed: Uint8Array): Promise<void> {
  const file = vaultPath(bundle);
  const directory = dirname(file);
  await mkdir(directory, { recursive: true, mode: 0o755 });
  await writeFile(file, sealed, { mode: 0o600 });
  for (const path of [dirname(directory), directory, file]) await chown(path, OPERATOR_ID, OPERATOR_ID);
}

/** What a bundle's vault file holds now. */
export async function savedContents(bundle: Bundle, passphrase?: string): Promise<Record<string, string>> {
  return openVault(await readFile(vaultPath(bundle)), passphrase);
}

/** Waits until what is looked up in the vault's directory is as it should be, or for too long; tells what it is. */
export async function eventually<T>(bundle: Bundle, look: () => Promise<T>, isRight: (seen: T) => boolean): Promise<T> {
  // Watched before it is looked at: what comes in between is not missed.
  const changes = watch(dirname(vaultPath(bundle)), { signal: AbortSignal.timeout(20_000) })[Symbol.asyncIterator]();
  for (;;) {
    const seen = await look();
    if (isRight(seen)) return seen;
    const { done } = await changes.next().catch(() => ({ done: true }));
    if (done === true) return look();
  }
}

/** What the vault holds when it holds what is expected. */
export async function saved(
  bundle: Bundle,
  expected: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  return eventually(
    bundle,
    () => savedContents(bundle),
    (contents) => isDeepStrictEqual(contents, expected),
  );
}

async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'tazpod-vault-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
