// What `tazpod status` finds out by looking: at the files of the enclave, at the vault, at what waits beside it.

import { lstatSync, type Stats, statSync } from 'node:fs';

import { TazpodError } from '../lib/errors.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import type { EnclaveFacts, Replies } from '../lib/protocol.ts';
import { fingerprintAt } from '../lib/vault-file.ts';
import type { ControlClient } from './control-client.ts';
import { enclaveUsage, type Usage } from './enclave-usage.ts';
import { lastSaved } from './last-saved.ts';
import type { Output } from './output.ts';
import { unlessRefused } from './unless-refused.ts';
import { waitingFiles, type WaitingFile } from './waiting-files.ts';

export interface FileFacts {
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly written: number;
}

export interface Seen {
  /** The vault file, if there is one that can be seen. */
  readonly file: FileFacts | undefined;
  /** The enclave, if it is unlocked and can be looked into. */
  readonly enclave: (Usage & Saving) | undefined;
  readonly waiting: readonly (WaitingFile & FileFacts)[];
}

/** How the enclave and the vault stand to each other. */
interface Saving {
  /**
   * Whether the vault holds what was in the enclave at the last save, or at the unlock: not where there is no vault yet
   * (`new`), and nobody knows where an earlier container had unlocked it (`unknown`).
   */
  readonly saved: 'whole' | 'new' | 'unknown';
  /** The vault file is not the one that was read or written last: no save replaces it. */
  readonly isForeign: boolean;
}

/** Looks as the operator; what may not be seen is left out, with a warning where it matters. */
export async function lookAround(client: ControlClient, answer: Replies['status'], output: Output): Promise<Seen> {
  return {
    file: factsOf(unlessRefused(() => statSync(VAULT_FILE))),
    enclave: answer.enclave && (await lookInside(client, answer.enclave, output)),
    waiting: waitingFiles().flatMap((file) => {
      const facts = factsOf(unlessRefused(() => lstatSync(file.path)));
      return facts ? [{ ...file, ...facts }] : [];
    }),
  };
}

function factsOf(stats: Stats | undefined): FileFacts | undefined {
  return stats?.isFile() === true ? { bytes: stats.size, written: stats.mtimeMs } : undefined;
}

async function lookInside(client: ControlClient, facts: EnclaveFacts, output: Output): Promise<Seen['enclave']> {
  try {
    return { ...enclaveUsage(facts.device, facts.safe), ...(await savingOf(client, facts)) };
  } catch (error) {
    if (!(error instanceof TazpodError)) throw error;
    // It may have been locked meanwhile. The rest is worth telling.
    output.warn(error.hint === undefined ? error.message : `${error.message} (${error.hint})`);
    return undefined;
  }
}

async function savingOf(client: ControlClient, facts: EnclaveFacts): Promise<Saving> {
  const { vault, conflict } = lastSaved(facts).baseline;
  const saved = vault === undefined ? 'new' : vault.contents === undefined ? 'unknown' : 'whole';
  const found = versionThere();
  if (found === undefined || found === vault?.fingerprint) return { saved, isForeign: false };
  // Our own version was put over the vault: so a conflict was settled.
  if (found === conflict?.fingerprint) return { saved, isForeign: false };
  // A save may have come in between: then what PID 1 says is another thing by now.
  const { enclave: later } = await client.requestBriefly({ op: 'status' });
  const isSame = later?.baseline === facts.baseline && later.pending === facts.pending;
  return { saved, isForeign: isSame };
}

/** None that we know where it cannot be read. */
function versionThere(): string | undefined {
  try {
    return fingerprintAt(VAULT_FILE);
  } catch {
    return undefined;
  }
}
