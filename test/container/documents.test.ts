// The sessions that the documents show, typed anew on a real terminal, with a real engine: the screen shows what stands there.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';

import { play, transcriptsOf } from '../../recording/transcript.ts';
import { describeContainers } from '../support/container.ts';
import { FIRST_SECRETS, HostShell, PASSPHRASE, SECRETS } from '../support/host-shell.ts';
import { sealVault } from '../support/vault.ts';

const DOCS = join(import.meta.dirname, '../../docs');
describeContainers('what a person sees is what stands in', () => {
  test.each(['first-vault.md', 'secrets-in-files.md', 'moving-a-vault.md', 'stop.md'])('docs/%s', async (page) => {
    const sessions = transcriptsOf(readFileSync(join(DOCS, page), 'utf8'));
    expect(sessions).not.toEqual([]);
    const project = { 'old-project/vault.tar.aes': await sealVault(SECRETS, PASSPHRASE) };
    await using shell = await HostShell.open({
      runFlags: ['--network', 'none', '--label', inject('runLabel')],
      home: FIRST_SECRETS,
      project,
    });
    await play(sessions.flat(), shell, { answer: PASSPHRASE, last: HostShell.prompt });
  });
});
