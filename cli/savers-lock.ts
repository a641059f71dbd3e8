// The saver's lock: PID 1 lends it to one process at a time, and with it what was saved last. It is freed when the connection ends.

import { TazpodError } from '../lib/errors.ts';
import type { Replies } from '../lib/protocol.ts';
import type { ControlClient } from './control-client.ts';
import type { Output } from './output.ts';

/** How long another save may keep us waiting before a person is told, in milliseconds. */
const UNREMARKABLE = 1000;

/**
 * Waits until no other process saves.
 * @throws TazpodError `locked` when there is nothing to save
 */
export async function takeSaversLock(client: ControlClient, output: Output): Promise<Replies['save']> {
  const remark = setTimeout(() => {
    if (output.isWatched) output.note('waiting for another save to end');
  }, UNREMARKABLE);
  try {
    return await client.request({ op: 'save' });
  } finally {
    clearTimeout(remark);
  }
}

/** The same, and nothing while the vault is locked. */
export async function takeSaversLockUnlessLocked(
  client: ControlClient,
  output: Output,
): Promise<Replies['save'] | undefined> {
  try {
    return await takeSaversLock(client, output);
  } catch (error) {
    if (error instanceof TazpodError && error.code === 'locked') return undefined;
    throw error;
  }
}
