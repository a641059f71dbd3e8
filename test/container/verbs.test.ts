// The verbs that ask and run, on a real engine: another passphrase by `docker exec -it`, and a command with the vault unlocked.

import { expect, test } from 'vitest';

import { Container, describeContainers, docker, runToEnd } from '../support/container.ts';
import { EngineTerminal } from '../support/engine-terminal.ts';
import { leaks } from '../support/leaks.ts';
import { CANARIES, CONTENTS, PASSPHRASE } from '../support/vault.ts';
import { BY_FILE, Volumes } from '../support/volumes.ts';

const NEW = 'new-canary-77d0';
const WAIT = ['sh', '-c', 'echo ready; exec sleep infinity'];

describeContainers('tazpod passwd', () => {
  test('gives the vault another passphrase from a second terminal; the stop saves under that', async () => {
    await using volumes = await Volumes.create();
    await using container = await Container.start({ flags: volumes.mayMount, environment: BY_FILE, command: WAIT });
    await container.waitForOutput(/^ready$/);
    using person = await EngineTerminal.open(['exec', '-it', '-u', 'tazpod', container.name, 'tazpod', 'passwd']);
    const { screen } = person.terminal;
    await screen.waitFor('Old passphrase: ');
    await person.line('not this one', 'Old passphrase: ');
    await person.line(PASSPHRASE, 'New passphrase: ');
    await person.line(NEW, 'New passphrase again: ');
    await person.line(NEW, 'passphrase changed: ');
    // The engine's file still has the old one, and only root may read it.
    await screen.waitFor('(TAZPOD_PASSPHRASE_FILE) has to be changed, too');
    expect(await person.ended).toBe(0);
    for (const secret of [PASSPHRASE, NEW]) expect(screen.text).not.toContain(secret.slice(-8));

    await container.exec(['sh', '-c', 'echo more >~/secrets/more'], ['-u', 'tazpod']);
    await container.stop();
    expect(await volumes.saved(NEW)).toEqual({ ...CONTENTS, more: 'more\n' });
    expect(await leaks(container, volumes, [...CANARIES, NEW])).toEqual({});
  });
});

describeContainers('tazpod run', () => {
  test('as the command of a container: unlocked while it runs, with its status', async () => {
    await using volumes = await Volumes.create({ secretMode: 0o444 });
    const run = await runToEnd({
      flags: volumes.mayMount,
      environment: { ...BY_FILE, TAZPOD_UNLOCK: 'never' },
      command: ['tazpod', 'run', '--', 'sh', '-c', 'cat ~/.aws/credentials; echo more >~/secrets/more; exit 7'],
    });
    expect(run).toMatchObject({ status: 7, stdout: CONTENTS['.aws/credentials'].trimEnd() });
    expect(run.stderr).toMatch(/tazpod: unlocked: [^]*tazpod: saved: [^]*tazpod: locked/);
    expect(await volumes.saved()).toEqual({ ...CONTENTS, more: 'more\n' });
  });

  test('by docker exec as root: the command is the operator, and a stop in its midst locks and saves', async () => {
    await using volumes = await Volumes.create({ secretMode: 0o444 });
    await using container = await Container.start({
      flags: volumes.mayMount,
      environment: { ...BY_FILE, TAZPOD_UNLOCK: 'never' },
      command: WAIT,
    });
    await container.waitForOutput(/^ready$/);
    const script = 'id -un; echo more >~/secrets/more; echo set >/tmp/set; exec sleep infinity';
    const run = docker(['exec', container.name, 'tazpod', 'run', '--', 'sh', '-c', script]);
    await container.exec(['sh', '-c', 'until [ -e /tmp/set ]; do sleep 0.05; done']);
    expect(await container.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ status: 0 });
    await container.stop();
    expect((await run).stdout).toBe('tazpod');
    expect(await volumes.saved()).toEqual({ ...CONTENTS, more: 'more\n' });
    expect(await leaks(container, volumes, CANARIES)).toEqual({});
  });
});
