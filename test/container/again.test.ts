// Containers that come again: what a session wrote is there in the next one, and a container whose PID 1 was killed starts.

import { expect, test } from 'vitest';

import { Container, describeContainers, docker, newName, runToEnd } from '../support/container.ts';
import { MAY_MOUNT } from '../support/image.ts';
import { leaks } from '../support/leaks.ts';
import { CANARIES, CONTENTS, PASSPHRASE, SECRET } from '../support/vault.ts';
import { BY_FILE, Volumes } from '../support/volumes.ts';

/** Says `ready N` in the container's Nth life: its log begins with the first one. */
const COUNT_STARTS = 'echo >>/workspace/starts; echo ready $(wc -l </workspace/starts); exec sleep infinity';
const ENCLAVE_OF_THE_ENGINE = ['--tmpfs', '/home/tazpod/secrets:size=64m,mode=0700,uid=1000,gid=1000'];

describeContainers('what the shell wrote to ~/secrets', () => {
  test('is there after docker stop and the next docker run', async () => {
    await using volumes = await Volumes.create();
    const command = [
      'sh',
      '-c',
      'echo written >~/secrets/of-the-shell; rm ~/secrets/notes.md; echo ready; exec sleep infinity',
    ];
    await using container = await Container.start({ flags: volumes.mayMount, environment: BY_FILE, command });
    await container.waitForOutput(/^ready$/);
    await container.stop();
    const look = ['sh', '-c', 'cd ~/secrets; cat of-the-shell; ls; cat .aws/credentials'];
    const next = await runToEnd({ flags: volumes.mayMount, environment: BY_FILE, command: look });
    expect(next.stdout).toBe(`written\nof-the-shell\n${CONTENTS['.aws/credentials'].trimEnd()}`);
  });

  test('is there in a named volume as the workspace, which is the operator’s', async () => {
    const volume = newName();
    try {
      const options = {
        flags: [...MAY_MOUNT, '--volume', `${volume}:/workspace`],
        environment: { TAZPOD_PASSPHRASE: PASSPHRASE },
      };
      const first = await runToEnd(
        { ...options, command: ['sh', '-c', 'cat >~/secrets/mine; stat -c %U /workspace'] },
        SECRET,
      );
      expect(first).toMatchObject({ status: 0, stdout: 'tazpod' });
      const second = await runToEnd({ ...options, command: ['sh', '-c', 'cat ~/secrets/mine'] });
      expect(second).toMatchObject({ status: 0, stdout: SECRET });
    } finally {
      await docker(['volume', 'rm', volume]);
    }
  });

  test('is there after docker restart', async () => {
    await using volumes = await Volumes.create();
    const command = ['sh', '-c', `cat ~/secrets/life; echo saved >>~/secrets/life; ${COUNT_STARTS}`];
    await using container = await Container.start({ flags: volumes.mayMount, environment: BY_FILE, command });
    await container.waitForOutput(/^ready 1$/);
    await docker(['restart', container.name]);
    await container.waitForOutput(/^ready 2$/);
    expect((await container.logs()).split('\n')).toContain('saved');
    await container.stop();
    expect(await volumes.saved()).toMatchObject({ life: 'saved\nsaved\n' });
  });
});

describeContainers('a container that was killed', () => {
  const enclaves = [
    { name: 'we mounted', mayMount: true },
    { name: 'the engine mounted', mayMount: false },
  ];

  test.each(enclaves)('starts again and unlocks, with an enclave that $name', async ({ mayMount }) => {
    await using volumes = await Volumes.create();
    await using container = await Container.start({
      flags: mayMount ? volumes.mayMount : [...volumes.flags, ...ENCLAVE_OF_THE_ENGINE],
      environment: BY_FILE,
      command: ['sh', '-c', COUNT_STARTS],
    });
    await container.waitForOutput(/^ready 1$/);
    await container.signal('KILL');
    expect(await container.wait()).toBe(137);
    expect(await leaks(container, volumes, CANARIES)).toEqual({});

    await docker(['start', container.name]);
    await container.waitForOutput(/^ready 2$/);
    expect(await container.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ status: 0 });
    expect(await container.exec(['cat', '/home/tazpod/.aws/config'])).toMatchObject({
      stdout: CONTENTS['.aws/config'].trimEnd(),
    });
    expect(await container.stop()).toMatchObject({ status: 143 });
  });
});
