// `tazpod save`: enclave to vault. PID 1 lends the saver's lock and what was saved last; the work is ours.
// What unlock would not accept is left out and named, and the save ends with 13.

import { resolve } from 'node:path';

import { type ExitStatus, TazpodError } from '../lib/errors.ts';
import type { Call } from './call.ts';
import { ControlClient } from './control-client.ts';
import { takeSaversLock } from './savers-lock.ts';

export async function save({ given, output }: Call): Promise<ExitStatus> {
  if (given.values('rescue').includes('')) throw given.usage('cannot write a copy: the directory of --rescue is empty');
  const rescueDirectories = given.values('rescue').map((directory) => resolve(directory));
  using client = ControlClient.of(given);
  const granted = takeSaversLock(client, output);
  // While PID 1 sees to it, a key is begun, and the rest is loaded. What it says is met below.
  granted.catch(() => undefined);
  using ahead = (await import('./key-ahead.ts')).beginKey();
  const { leftOutError, saveEnclave } = await import('./enclave-save.ts');
  const { rescueEnclave } = await import('./rescue.ts');
  const lock = await granted;
  const saved =
    rescueDirectories.length > 0
      ? await rescueEnclave(client, lock, rescueDirectories, output, ahead)
      : await saveEnclave(client, lock, output, ahead).catch(
          given.value('control-fd') === undefined ? adviseRescue : undefined,
        );
  if (saved.leftOut.length > 0) return output.fail(leftOutError(saved), { saved: true, ...saved });
  output.result({ ...saved });
  return 0;
}

/** A person whose save has failed may have a copy elsewhere; PID 1 sees to one by itself. */
function adviseRescue(error: unknown): never {
  if (!(error instanceof TazpodError) || error.code !== 'save-failed') throw error;
  const way = '"tazpod save --rescue DIR" writes an encrypted copy elsewhere';
  throw new TazpodError(error.code, error.message, { hint: error.hint ? `${error.hint}; ${way}` : way, cause: error });
}
