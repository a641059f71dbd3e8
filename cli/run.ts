// `tazpod run`: a command with the vault unlocked. Who unlocked locks: if that was us, the vault is saved and locked when the
// command is gone, whatever ended it. From the moment in which an unlock can no longer be taken back no signal ends us.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants as fileModes } from 'node:fs';
import { constants } from 'node:os';
import { getSystemErrorMessage } from 'node:util';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import type { Call, CommandStatus } from './call.ts';
import { CaughtSignals } from './caught-signals.ts';
import { ControlClient } from './control-client.ts';
import { Interrupted } from './interruption.ts';
import { lockVault, runLockingHooks } from './lock.ts';
import type { Output } from './output.ts';
import { takeSaversLockUnlessLocked } from './savers-lock.ts';
import { tellUnlocked, unlockVault } from './unlock.ts';
import { warnOnUnlock } from './unlock-warnings.ts';

/** What a shell exits with where there is no such command, or it cannot be run. */
const NOT_FOUND = 127;
const CANNOT_RUN = 126;

/** How the command came to its end, or why it never began. */
interface Ending {
  readonly status: CommandStatus;
  readonly failure?: unknown;
}

/** When an unlock of ours was done, in PID 1's words, or that there was one. */
type Since = number | 'unknown';

export async function run(call: Call): Promise<CommandStatus> {
  const { given, output } = call;
  const [file = '', ...args] = given.command;
  // Unlocking changes both.
  const directory = workingDirectory();
  refuseAltered(given.command);
  const umask = process.umask(0o077);
  using signals = new CaughtSignals();
  const since = await unlockUnlessUnlocked(call, signals);
  process.umask(umask);

  const interrupted = signals.received;
  const { status, failure } = interrupted
    ? { status: 128 + constants.signals[interrupted] }
    : await runCommand(file, args, directory, signals);
  const outcome = { status, unlocked: since !== undefined };
  try {
    if (since !== undefined) await lockIfStill(since, output);
  } catch (error) {
    if (failure) output.warn(reasonOf(failure));
    return output.fail(error, { ...outcome, locked: false });
  }
  if (failure) output.fail(failure, { ...outcome, locked: since !== undefined });
  else if (!interrupted) output.result({ ...outcome, locked: since !== undefined });
  return status;
}

function workingDirectory(): string {
  try {
    const directory = process.cwd();
    accessSync(directory, fileModes.X_OK);
    return directory;
  } catch (error) {
    throw new TazpodError('configuration', `cannot run a command here: ${reasonOf(error)}`, {
      hint: 'change to a directory that exists, and that you may enter',
      cause: error,
    });
  }
}

/** What is not UTF-8 has come to us as something else: a command must not get other words than it was given. */
function refuseAltered(words: readonly string[]): void {
  const altered = words.find((word) => word.includes('\uFFFD'));
  if (altered === undefined) return;
  throw new TazpodError('usage', `cannot pass on the word "${altered}": it is not UTF-8`, {
    hint: 'run a shell, and let that make the word: tazpod run -- sh -c …',
  });
}

/**
 * @returns when it was unlocked, if that was us; nothing where it was unlocked before
 * @throws Interrupted by a signal that comes in time: nothing is unlocked then
 */
async function unlockUnlessUnlocked(call: Call, signals: CaughtSignals): Promise<Since | undefined> {
  const { output } = call;
  let isCommitting = false;
  const unlocking = unlockVault(call, () => {
    isCommitting = true;
  });
  const signal = await Promise.race([signals.first, unlocking.then(() => undefined)]);
  if (signal !== undefined && !isCommitting) {
    // A prompt sees the signal, too, and puts the terminal's modes back. The rest is undone by the end of the connection.
    await Promise.race([unlocking.catch(() => undefined), new Promise(setImmediate)]);
    throw new Interrupted(signal);
  }
  const unlocked = await unlocking;
  if (unlocked.already) return undefined;
  tellUnlocked(unlocked, output);
  warnOnUnlock(output);
  // Nothing from here on may keep the lock from its turn.
  return await unlockedSince().catch(() => 'unknown');
}

async function unlockedSince(): Promise<number> {
  using client = ControlClient.connect();
  return (await client.request({ op: 'status' })).since;
}

async function runCommand(
  file: string,
  args: readonly string[],
  directory: string,
  signals: CaughtSignals,
): Promise<Ending> {
  // A passphrase in a variable is for tazpod alone, as PID 1 has it.
  const { TAZPOD_PASSPHRASE: _passphrase, ...environment } = process.env;
  let child: ChildProcess;
  try {
    child = spawn(file, args, { cwd: directory, env: environment, stdio: 'inherit' });
    signals.goTo(child);
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return { status: signal === null ? (code ?? 1) : 128 + constants.signals[signal] };
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    if (errno === undefined) return { status: 1, failure: error };
    const isMissing = errnoName(error) === 'ENOENT';
    const reason = isMissing ? 'no such command' : getSystemErrorMessage(errno);
    return {
      status: isMissing ? NOT_FOUND : CANNOT_RUN,
      failure: new TazpodError('usage', `cannot run ${file}: ${reason}`, { cause: error }),
    };
  }
}

/** Saves and locks what was unlocked at that time. What others have locked since, and unlocked again, is theirs. */
async function lockIfStill(since: Since, output: Output): Promise<void> {
  using client = ControlClient.connect();
  const isStill = async (): Promise<boolean> =>
    since === 'unknown' || (await client.request({ op: 'status' })).since === since;
  if (!(await isStill())) return;
  await runLockingHooks(client, output);
  const saversLock = await takeSaversLockUnlessLocked(client, output);
  if (!saversLock || !(await isStill())) return;
  await lockVault(client, saversLock, output);
}
