// `tazpod lock`: hooks first; then save if anything changed, and have PID 1 destroy the enclave, under one saver's lock.
// With --kill PID 1 ends who holds it in between: a save that fails has ended nobody.
// A save that fails, or that had to leave something out, keeps it unlocked: only --discard gives up what is not saved.

import { type ExitStatus, TazpodError } from '../lib/errors.ts';
import type { Holder, HookFailure, Replies } from '../lib/protocol.ts';
import type { Call } from './call.ts';
import { ControlClient } from './control-client.ts';
import { leftOutError, saveEnclave, type Saved } from './enclave-save.ts';
import { warnOfHooks } from './failed-hooks.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';
import { takeSaversLockUnlessLocked } from './savers-lock.ts';

/** What a lock did. */
interface Locked {
  /** Whether a new vault was written. */
  readonly written: boolean;
  readonly unmounted: boolean;
  readonly holders: readonly Holder[];
  readonly ended: readonly Holder[];
}

export async function lock({ given, output }: Call): Promise<ExitStatus> {
  using client = ControlClient.of(given);
  const failedHooks = await runLockingHooks(client, output);
  const saversLock = await takeSaversLockUnlessLocked(client, output);
  if (!saversLock) {
    output.note('already locked');
    output.result({ state: 'locked', already: true });
    return 0;
  }
  const locked = await lockVault(client, saversLock, output, {
    discard: given.flag('discard'),
    kill: given.flag('kill'),
  });
  output.result({ state: 'locked', already: false, ...locked, failedHooks });
  return 0;
}

/** Before the saver's lock is taken: a hook may save, too. Where it is locked there are none. */
export async function runLockingHooks(client: ControlClient, output: Output): Promise<readonly HookFailure[]> {
  const { failedHooks } = await client.request({ op: 'locking' });
  warnOfHooks(failedHooks, output);
  return failedHooks;
}

/**
 * Saves and locks, under the saver's lock, and tells of it.
 * @throws TazpodError as `saveEnclave`, or `refused-entry`: then it is unlocked still
 */
export async function lockVault(
  client: ControlClient,
  saversLock: Replies['save'],
  output: Output,
  { discard = false, kill = false } = {},
): Promise<Locked> {
  // Called by a shell that works in the enclave, we would hold it ourselves.
  process.chdir('/');
  const saved = discard ? undefined : await saveOrRefuse(client, saversLock, output);
  const { unmounted, holders, ended } = await client.request(
    kill ? { op: 'close', kill: true, caller: process.pid } : { op: 'close' },
  );
  for (const { pid, command } of ended) output.note(`ended process ${pid} (${printable(command)})`);
  output.note(saved ? 'locked' : 'locked; what was not saved is gone');
  if (!unmounted) output.note('the enclave is empty; the mount itself belongs to the container engine and stays');
  for (const { pid, command } of holders) {
    output.warn(`process ${pid} (${printable(command)}) still holds the enclave, which is empty`);
  }
  return { written: saved?.written ?? false, unmounted, holders, ended };
}

async function saveOrRefuse(client: ControlClient, saversLock: Replies['save'], output: Output): Promise<Saved> {
  try {
    const saved = await saveEnclave(client, saversLock, output);
    if (saved.leftOut.length > 0) throw leftOutError(saved);
    return saved;
  } catch (error) {
    if (!(error instanceof TazpodError) || error.code === 'unreachable') throw error;
    const way = 'still unlocked; "tazpod lock --discard" locks without saving';
    throw new TazpodError(error.code, error.message, {
      hint: error.hint ? `${error.hint}; ${way}` : way,
      cause: error,
    });
  }
}
