// Our PID 1 in a container of its own with a vault, as it is used: the passphrase in a file that the engine mounts.

import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { VAULT_FILE, WORKSPACE } from '../lib/paths.ts';
import { ENVIRONMENT, Sandbox, type Running } from '../test/support/sandbox.ts';
import { placeVault } from '../test/support/vault.ts';
import { PASSPHRASE } from './peers.ts';
import type { sealTree } from './workloads.ts';

export const PASSPHRASE_FILE = '/run/secrets/passphrase';

/** What the shell script (programs/shell-entrypoint) opens. */
const PEER_FILE = `${dirname(VAULT_FILE)}/vault.tar.gz.enc`;

/** Nothing is saved but by what is measured. */
export const UNLOCK = {
  TAZPOD_UNLOCK: 'required',
  TAZPOD_PASSPHRASE_FILE: PASSPHRASE_FILE,
  TAZPOD_AUTOSAVE: 'off',
} as const;

/** The same beside what an engine sets. */
export const UNLOCKING = { ...ENVIRONMENT, ...UNLOCK } as const;

export type Sealed = Awaited<ReturnType<typeof sealTree>>;

/** A container that has not been started, with a vault and with what a peer made of the same tree. */
export async function vaultSandbox(sealed: Sealed): Promise<Sandbox> {
  const sandbox = await Sandbox.create();
  try {
    await placeSealed(sandbox.bundle.workspace, sealed);
    await sandbox.bundle.place(PASSPHRASE_FILE, PASSPHRASE, 0o444);
    return sandbox;
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    throw error;
  }
}

/** Puts a vault into a workspace, and beside it what a peer made of the same tree. */
export async function placeSealed(workspace: string, { vault, peer }: Sealed): Promise<void> {
  await placeVault({ workspace }, vault);
  await writeFile(join(workspace, PEER_FILE.slice(WORKSPACE.length)), peer, { mode: 0o600 });
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

/** Terminals of the container's own, as an engine gives it: script(1) opens one. */
const TERMINALS = 'mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts; mount --bind /dev/pts/ptmx /dev/ptmx';

export function startUnlocked(
  sandbox: Sandbox,
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Running> {
  return sandbox.start(['/usr/local/bin/tazpod-entrypoint', '--', ...command], {
    environment: { ...UNLOCKING, ...environment },
    prepare: TERMINALS,
  });
}
