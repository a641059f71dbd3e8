// `tazpod status`: what PID 1 says, and what can be seen beside it without opening anything of the enclave: how much is in
// it, what has changed, the vault file and its versions. Needs no passphrase, and decrypts nothing.
// With --unlocked or --quiet PID 1 is asked, and nothing else is looked at: a health check, or a shell's prompt, asks often.
// Without --unlocked a locked vault is no failure: as long as PID 1 answers, all is well.

import type { ExitStatus } from '../lib/errors.ts';
import { TazpodError } from '../lib/errors.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import type { Call } from './call.ts';
import { ControlClient } from './control-client.ts';
import { statusFields } from './status-fields.ts';
import { statusLines } from './status-lines.ts';

export async function status({ given, output }: Call): Promise<ExitStatus> {
  const isBrief = given.flag('unlocked') || given.flag('quiet');
  // Called by a shell that works in the enclave, we would hold it ourselves.
  process.chdir('/');
  using client = ControlClient.of(given);
  const answer = await client.requestBriefly({ op: 'status', ...(isBrief ? {} : { holders: true }) });
  const seen = isBrief ? undefined : await (await import('./status-seen.ts')).lookAround(client, answer, output);
  if (!given.flag('quiet')) output.data(statusLines(answer, seen, Date.now()));
  output.result({ vault: VAULT_FILE, ...statusFields(answer, seen) });
  return given.flag('unlocked') && answer.state !== 'unlocked' ? new TazpodError('locked', 'cannot').exitStatus : 0;
}
