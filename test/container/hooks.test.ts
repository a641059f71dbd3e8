// Hooks in an image that somebody builds from ours: what was read out of the vault goes before the vault is locked.

import { expect, test } from 'vitest';

import { Container, describeContainers } from '../support/container.ts';
import { buildFrom } from '../support/derived-image.ts';
import { IMAGE } from '../support/image.ts';
import { CONTENTS } from '../support/vault.ts';
import { BY_FILE, Volumes } from '../support/volumes.ts';

const TAZPOD = ['--user', 'tazpod'];
/** Where something of the vault is kept as an agent keeps keys: in memory, outside the enclave. */
const COPY = '/dev/shm/copy';

const HOOKS = {
  'unlocked.d/10-copy': `cp ~/secrets/notes.md ${COPY}; echo "$(id -un) has a copy"`,
  'locking.d/10-copy': `rm ${COPY}; echo "$TAZPOD_HOOK" >>~/secrets/hooks`,
  'stopping.d/10-bye': `echo "the end begins with $(ls ${COPY})"`,
};

function dockerfile(): string {
  const files = Object.entries(HOOKS).map(([name, line]) => {
    const path = `/etc/tazpod/hooks/${name}`;
    return `RUN mkdir -p "$(dirname ${path})" && printf '#!/bin/sh\\n%s\\n' '${line}' >${path} && chmod 755 ${path}`;
  });
  return [`FROM ${IMAGE}`, ...files, ''].join('\n');
}

describeContainers('an image with hooks', () => {
  test('has them run at each unlock, before each lock, and at the end, with what they say in the log', async () => {
    await using image = await buildFrom(dockerfile());
    // `tazpod unlock` reads it as the operator.
    await using volumes = await Volumes.create({ secretMode: 0o444 });
    const command = ['sh', '-c', `cat ${COPY}; echo ready; exec sleep infinity`];
    const options = { image: image.name, flags: volumes.mayMount, environment: BY_FILE, command };
    await using container = await Container.start(options);
    await container.waitForOutput(/^ready$/);
    expect(await container.logs()).toContain(CONTENTS['notes.md']);

    expect(await container.exec(['tazpod', 'lock'], TAZPOD)).toMatchObject({ status: 0 });
    expect((await container.exec(['ls', COPY])).status).not.toBe(0);
    expect(await container.exec(['tazpod', 'unlock'])).toMatchObject({ status: 0 });
    expect(await container.exec(['cat', COPY])).toMatchObject({ stdout: CONTENTS['notes.md'].trimEnd() });

    expect((await container.stop()).status).toBe(143);
    const logs = await container.logs();
    expect(logs.match(/"unlocked\.d\/10-copy: tazpod has a copy"/g)).toHaveLength(2);
    expect(logs).toContain(`stopping.d/10-bye: the end begins with ${COPY}`);
    expect(await volumes.saved()).toEqual({ ...CONTENTS, hooks: 'locking\nlocking\n' });
  });
});
