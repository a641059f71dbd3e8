// `tazpod lock`: save if anything changed, then have PID 1 destroy the enclave, all under one saver's lock on one connection.
// With --kill PID 1 ends who holds it in between: a save that fails has ended nobody.
// A save that fails, or that had to leave something out, keeps it unlocked: only --discard gives up what is not saved.

import { type ExitStatus, TazpodError } from '../lib/errors.ts';
import type { Replies } from '../lib/protocol.ts';
import type { Call } from './call.ts';
import { ControlClient } from './control-client.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';
import { leftOutError, saveEnclave, type Saved, takeSaversLockUnlessLocked } from './save.ts';

export async function lock({ given, output }: Call): Promise<ExitStatus> {
  // Called by a shell that works in the enclave, we would hold it ourselves.
  process.chdir('/');
  using client = await ControlClient.of(given);
  const saversLock = await takeSaversLockUnlessLocked(client, output);
  if (!saversLock) {
    output.note('already locked');
    output.result({ state: 'locked', already: true });
    return 0;
  }
  const saved = given.flag('discard') ? undefined : await saveOrRefuse(client, saversLock, output);
  const { unmounted, holders, ended } = await client.request(
    given.flag('kill') ? { op: 'close', kill: true, caller: process.pid } : { op: 'close' },
  );
  for (const { pid, command } of ended) output.note(`ended process ${pid} (${printable(command)})`);
  output.note(saved ? 'locked' : 'locked; what was not saved is gone');
  if (!unmounted) output.note('the enclave is empty; the mount itself belongs to the container engine and stays');
  for (const { pid, command } of holders) {
    output.warn(`process ${pid} (${printable(command)}) still holds the enclave, which is empty`);
  }
  output.result({ state: 'locked', already: false, written: saved?.written ?? false, unmounted, holders, ended });
  return 0;
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
