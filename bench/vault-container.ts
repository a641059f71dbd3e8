// Our PID 1 in a container of its own with a vault, as it is used: the passphrase in a file that the engine mounts.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { VAULT_FILE, WORKSPACE } from '../lib/paths.ts';
import { ENVIRONMENT, Sandbox, type Running } from '../test/support/sandbox.ts';
import { placeVault } from '../test/support/vault.ts';
import { PASSPHRASE } from './peers.ts';

export const PASSPHRASE_FILE = '/run/secrets/passphrase';

/** What the shell script (programs/shell-entrypoint) opens. */
const PEER_FILE = `${dirname(VAULT_FILE)}/vault.tar.gz.enc`;

/** Nothing is saved but by what is measured. */
export const UNLOCKING = {
  ...ENVIRONMENT,
  TAZPOD_UNLOCK: 'required',
  TAZPOD_PASSPHRASE_FILE: PASSPHRASE_FILE,
  TAZPOD_AUTOSAVE: 'off',
} as const;

/** A container that has not been started, with a vault and with what a peer made of the same tree. */
export async function vaultSandbox(sealed: { readonly vault: Buffer; readonly peer: Buffer }): Promise<Sandbox> {
  const sandbox = await Sandbox.create();
  try {
    await placeVault(sandbox.bundle, sealed.vault);
    await sandbox.bundle.place(PASSPHRASE_FILE, PASSPHRASE, 0o444);
    const file = join(sandbox.bundle.workspace, PEER_FILE.slice(WORKSPACE.length));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, sealed.peer, { mode: 0o600 });
    return sandbox;
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs a command under our PID 1, unlocked, to its end. What it printed. */
export async function runUnlocked(
  sandbox: Sandbox,
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const running = await startUnlocked(sandbox, command, environment);
  const { code } = await running.exited;
  if (code !== 0) throw new Error(`cannot measure in the container: ${await running.stderr.whole()}`);
  return running.stdout.whole();
}

export function startUnlocked(
  sandbox: Sandbox,
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Running> {
  return sandbox.start(['/usr/local/bin/tazpod-entrypoint', '--', ...command], {
    environment: { ...UNLOCKING, ...environment },
  });
}
