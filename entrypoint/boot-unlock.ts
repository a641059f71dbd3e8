// Unlocking at boot, as TAZPOD_UNLOCK says: with what is cached, with the given passphrase, or with one that is typed.
// A worker does it; the signals that abort the boot end it, and what it had begun is undone.

import { closeSync, lstatSync } from 'node:fs';
import { constants } from 'node:os';

import { errnoName, TazpodError } from '../lib/errors.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import type { UnlockMode } from './configuration.ts';
import type { Keeper } from './keeper.ts';
import { asOperator, type Operator } from './operator.ts';
import { openPassphraseFile } from './passphrase-file.ts';
import { exitStatusOf } from './reaper.ts';
import { BootAborted } from './signal-router.ts';
import { endWorker, type Workers } from './worker.ts';

/** Resolves in no case. */
const never = new Promise<undefined>(() => {});
const PROMPT_PATIENCE = 1000; // ms
const TERMINAL_HINT = 'start with a terminal (docker run -it), or set TAZPOD_PASSPHRASE_FILE';

export interface BootUnlock {
  readonly mode: UnlockMode;
  /** Whether the engine has mounted the enclave, which may hold what an earlier life left. */
  readonly isMounted: boolean;
  readonly operator: Operator;
  readonly keeper: Keeper;
  readonly workers: Workers;
  /** A pipe with the passphrase of the environment; the caller closes it. */
  readonly passphrase: number | undefined;
  readonly passphraseFile: string | undefined;
  readonly terminal: number | undefined;
  /** Whether the shell can reach us, to try again. */
  readonly hasSocket: boolean;
  /** Resolves with the signal that aborts the boot. */
  readonly aborted: Promise<number>;
}

/**
 * Unlocks, or leaves the vault locked where nothing says otherwise.
 * @throws TazpodError when what was to be unlocked could not be, BootAborted
 */
export async function unlockAtBoot(boot: BootUnlock): Promise<void> {
  const { mode, operator, keeper, terminal, isMounted } = boot;
  const isCached = isMounted && keeper.recover(mode !== 'never');
  if (mode === 'never') return;
  if (isCached) {
    await runWorker(boot, undefined, false);
    return;
  }
  const passphrase = mode === 'prompt' ? undefined : openPassphrase(boot);
  if (passphrase !== undefined) {
    try {
      await runWorker(boot, passphrase, false);
    } finally {
      if (passphrase !== boot.passphrase) closeSync(passphrase);
    }
    return;
  }
  if (mode === 'auto' && (terminal === undefined || !hasVault(operator))) return;
  if (terminal === undefined) {
    throw new TazpodError('no-passphrase', 'cannot unlock: there is no passphrase, and no terminal to ask on', {
      hint: TERMINAL_HINT,
    });
  }
  await runWorker(boot, undefined, true);
}

function openPassphrase({ passphrase, passphraseFile, operator }: BootUnlock): number | undefined {
  return passphrase ?? (passphraseFile === undefined ? undefined : openPassphraseFile(passphraseFile, operator));
}

async function runWorker(boot: BootUnlock, passphrase: number | undefined, prompts: boolean): Promise<void> {
  const { workers, keeper, aborted, terminal, hasSocket } = boot;
  const worker =
    passphrase === undefined
      ? workers.start('unlock', { terminal: prompts ? terminal : undefined, progress: true })
      : workers.startUnlock(passphrase);
  const abort = aborted.then((signal) => new BootAborted(signal));
  // It has nothing more to say then, and its end takes the kernel a while. On a terminal it may have modes to put back.
  const unlocked = terminal === undefined ? keeper.whenUnlocked : never;
  const end = await Promise.race([worker.ended, abort, unlocked]);
  if (end instanceof BootAborted) {
    // A prompt has changed the terminal's modes, and puts them back.
    await endWorker(worker, prompts ? PROMPT_PATIENCE : 0);
    throw end;
  }
  if (end === undefined || keeper.state === 'unlocked') return;
  const status = exitStatusOf(end);
  // Ctrl-C at the prompt reaches the worker alone: it means the boot.
  if (prompts && status === 128 + constants.signals.SIGINT) throw new BootAborted(constants.signals.SIGINT);
  throw new TazpodError('locked', `cannot unlock the vault (status ${status}, the reason is above): it stays locked`, {
    hint: hasSocket ? '`tazpod unlock` in the shell tries again' : undefined,
  });
}

/** Whether there is something at the vault's path that could be unlocked, as far as the operator can see. */
function hasVault(operator: Operator): boolean {
  return asOperator(operator, () => {
    try {
      return lstatSync(VAULT_FILE, { throwIfNoEntry: false }) !== undefined;
    } catch (error) {
      // The operator may not look there: then it may not unlock either, and `tazpod unlock` says why.
      if (errnoName(error) === undefined) throw error;
      return false;
    }
  });
}
