// `npm start [-- COMMAND…]`: the real PID 1 on this machine, without an engine, with a sample vault to unlock.
// With a terminal: a shell in the container. Without: a demonstration that fails if anything is not as it should be.

import { constants } from 'node:os';

import { buildExecutable } from '../build/executable.ts';
import { TazpodError } from '../lib/errors.ts';
import { VAULT_FILE, WORKSPACE } from '../lib/paths.ts';
import { atTerminal, runAttached } from './attach.ts';
import { Bundle } from './bundle.ts';
import { passOn } from './container.ts';
import { demonstrate } from './demonstration.ts';
import type { Launch } from './launch.ts';
import { findNamespaces, type Namespaces } from './namespaces.ts';
import { sampleVault, type SampleVault } from './sample-vault.ts';

const INIT = '/usr/local/bin/tazpod-entrypoint';
const PASSPHRASE_FILE = '/run/secrets/tazpod-passphrase';

async function main(command: readonly string[]): Promise<number> {
  const namespaces = await findNamespaces();
  await buildExecutable();
  const sample = await sampleVault(namespaces);
  await using bundle = await Bundle.create(namespaces, sample.workspace);
  await bundle.place(PASSPHRASE_FILE, sample.passphrase, 0o400);
  const launch: Launch = { command: [INIT, '--'], environment: environment(), directory: WORKSPACE };

  if (command.length > 0) return await runAttached(bundle, { ...launch, command: [...launch.command, ...command] });
  say(introduction(sample, namespaces));
  if (!atTerminal()) {
    await demonstrate(bundle, launch, say);
    return 0;
  }
  say(SUGGESTIONS);
  const status = await runAttached(bundle, { ...launch, command: [...launch.command, 'bash', '-l'] });
  say(`\nThe container has ended with status ${status}; the vault is locked.\n`);
  return 0;
}

function environment(): Record<string, string> {
  const { TERM, COLORTERM, LANG } = process.env;
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    HOSTNAME: 'tazpod',
    ...(TERM && { TERM }),
    ...(COLORTERM && { COLORTERM }),
    ...(LANG && { LANG }),
    TAZPOD_PASSPHRASE_FILE: PASSPHRASE_FILE,
  };
}

function introduction({ workspace, passphrase, made }: SampleVault, { kind }: Namespaces): string {
  const notes = {
    native: '',
    mapped: 'You are not root: this is a user namespace, in which PID 1 is.\n',
    single:
      'You are not root, and this machine lends you no further user ids (/etc/subuid):\n' +
      'PID 1 runs as the operator here, with the capability to mount. In a real container it is root.\n',
  };
  return `
${made ? 'Made a sample vault' : 'The sample vault'}: ${workspace}${VAULT_FILE.slice(WORKSPACE.length)}
Its passphrase: ${passphrase}
${notes[kind]}
`;
}

const SUGGESTIONS = `In the container's shell, try:
  cat ~/.aws/credentials          from the vault, in RAM only
  date >>~/secrets/notes.md       saved when you leave
  tazpod status                   tazpod lock, tazpod unlock (it asks for the passphrase)
  exit                            saves, locks, and is back here

`;

function say(text: string): void {
  process.stdout.write(text);
}

// What tells us to end is passed on, as an engine's client does; all is undone when the container has ended.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) {
  process.on(signal, () => {
    if (!passOn(signal)) process.exit(128 + constants.signals[signal]);
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof TazpodError)) throw error;
  console.error(error.message);
  if (error.hint) console.error(`hint: ${error.hint}`);
  process.exitCode = 1;
}
