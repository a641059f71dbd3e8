// `tazpod status`: what PID 1 says. Without --unlocked a locked vault is no failure, so that health checks may ask.

import type { ExitStatus } from '../lib/errors.ts';
import { TazpodError } from '../lib/errors.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import type { Call } from './call.ts';
import { ControlClient } from './control-client.ts';

export async function status({ given, output }: Call): Promise<ExitStatus> {
  using client = await ControlClient.of(given);
  const { state, since, pid, version } = await client.requestBriefly({ op: 'status' });
  const time = new Date(since).toISOString();
  output.data(`state  ${state}\nsince  ${time}\nvault  ${VAULT_FILE}\ninit   pid ${pid}, version ${version}\n`);
  output.result({ state, since: time, vault: VAULT_FILE, init: { pid, version } });
  return given.flag('unlocked') && state !== 'unlocked' ? new TazpodError('locked', 'cannot').exitStatus : 0;
}
