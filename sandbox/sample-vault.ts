// The sample that `npm start` unlocks: made once, from sandbox/sample, with a passphrase of its own that is kept beside it.
// `tazpod vault create` makes it, in a container, as the operator: so it belongs to whom it would belong to in real life.

import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { VAULT_FILE, WORKSPACE } from '../lib/paths.ts';
import { Bundle } from './bundle.ts';
import { PROJECT, startContainer } from './container.ts';
import { OPERATOR_ID, type Namespaces } from './namespaces.ts';

/** What outlives the runs of `npm start`: ignored by git, and safe to delete. */
export const KEPT = join(PROJECT, '.sandbox');

export interface SampleVault {
  readonly workspace: string;
  /** Readable words; there is nothing behind it but the sample. */
  readonly passphrase: string;
  /** Whether it was made just now. */
  readonly made: boolean;
}

/**
 * The sample vault in its workspace, made where it is missing.
 * @throws TazpodError `save-failed` if `tazpod vault create` fails, with what it said
 */
export async function sampleVault(namespaces: Namespaces): Promise<SampleVault> {
  const workspace = join(KEPT, 'workspace');
  const passphraseFile = join(KEPT, 'passphrase');
  await mkdir(workspace, { recursive: true });
  const passphrase = await keptPassphrase(passphraseFile);
  const made = !existsSync(join(workspace, VAULT_FILE.slice(WORKSPACE.length)));
  if (made) await createVault(namespaces, workspace, passphraseFile);
  return { workspace, passphrase, made };
}

async function keptPassphrase(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errnoName(error) !== 'ENOENT') {
      throw new TazpodError('configuration', `cannot read ${file}: ${reasonOf(error)}`, {
        hint: `remove ${KEPT}, which another user has made: a new sample is made then`,
        cause: error,
      });
    }
  }
  const passphrase = Array.from({ length: 4 }, () => pronounceable(randomBytes(2).readUInt16BE())).join('-');
  await writeFile(file, passphrase, { mode: 0o600 });
  return passphrase;
}

/** Sixteen bits as five letters that can be said aloud (a proquint: arXiv:0901.4016). */
function pronounceable(bits: number): string {
  const consonant = (shift: number) => 'bdfghjklmnprstvz'.charAt((bits >> shift) & 15);
  const vowel = (shift: number) => 'aiou'.charAt((bits >> shift) & 3);
  return consonant(12) + vowel(10) + consonant(6) + vowel(4) + consonant(0);
}

async function createVault(namespaces: Namespaces, workspace: string, passphraseFile: string): Promise<void> {
  await using bundle = await Bundle.create(namespaces, workspace);
  const passphrase = openSync(passphraseFile, 'r');
  const script = `set -e; umask 077
    cp -R "$1" /tmp/sample
    umask 022; mkdir -p "$(dirname "$2")"
    exec tazpod vault create --passphrase-fd 3 /tmp/sample "$2"`;
  const creator = await startContainer(bundle, {
    command: ['/bin/sh', '-c', script, 'sh', join(PROJECT, 'sandbox/sample'), VAULT_FILE],
    environment: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    user: OPERATOR_ID,
    descriptors: [passphrase],
    stdout: 'null',
  });
  closeSync(passphrase);
  const said = creator.stderr ? await text(creator.stderr) : '';
  if ((await creator.exited).code !== 0) {
    throw new TazpodError('save-failed', `cannot make the sample vault in ${workspace}: ${said.trim()}`);
  }
}
