// The vault's ways in, on a real engine: by variable, by file, by typing; and what a failed unlock leaves, which is nothing.

import { expect, test } from 'vitest';

import { Container, describeContainers, newName, runArguments, runToEnd } from '../support/container.ts';
import { EngineTerminal } from '../support/engine-terminal.ts';
import { leaks, secretsOnDisk } from '../support/leaks.ts';
import { CANARIES, CONTENTS, PASSPHRASE, SECRET } from '../support/vault.ts';
import { BY_FILE, Volumes, type VolumesOptions } from '../support/volumes.ts';

const CREDENTIALS = CONTENTS['.aws/credentials'];
const WAIT = ['sh', '-c', 'echo ready; exec sleep infinity'];
const WRONG = 'wrong-canary-91ac';
/** Ctrl-P Ctrl-Q, at which the docker client leaves the container alone. */
const DETACH = '\x10\x11';
const RAM_MOUNTS = ['sh', '-c', 'grep -hE " /home/tazpod/" /proc/[0-9]*/mountinfo | sort -u'];

describeContainers('a vault is unlocked', () => {
  test('by the passphrase in a file that only root may read', async () => {
    await using volumes = await Volumes.create({ secretMode: 0o400 });
    const run = await runToEnd({
      flags: volumes.mayMount,
      environment: BY_FILE,
      command: ['cat', '/home/tazpod/.aws/credentials'],
    });
    expect(run).toMatchObject({ status: 0, stdout: CREDENTIALS.trimEnd() });
  });

  test('by the passphrase in a variable, which then is nowhere but in what the engine tells', async () => {
    await using volumes = await Volumes.create();
    await using container = await Container.start({
      flags: volumes.mayMount,
      environment: { TAZPOD_PASSPHRASE: PASSPHRASE },
      command: ['sh', '-c', 'cat ~/.aws/config; env'],
    });
    expect(await container.wait()).toBe(0);
    expect(await container.logs()).toContain(CONTENTS['.aws/config']);
    expect(await leaks(container, volumes, CANARIES)).toEqual({ environment: [PASSPHRASE] });
  });

  test('by typing the passphrase, at the third try, on a terminal that does not show it', async () => {
    await using volumes = await Volumes.create();
    await using container = new Container(newName());
    using shell = await EngineTerminal.open([
      'run',
      '-it',
      ...runArguments(container.name, { flags: volumes.mayMount }),
    ]);
    const { screen } = shell.terminal;
    await screen.waitFor('Passphrase: ');
    await shell.line('not this one', 'Passphrase: ');
    await shell.line('nor this', 'Passphrase: ');
    await shell.line(PASSPHRASE, '$ ');
    await shell.line('head -1 ~/.aws/credentials; tty', /\[default\]\r\n\/dev\/(pts\/\d+|console)\r\n/);
    await shell.line('exit 3', 'vault locked');
    expect(await shell.ended).toBe(3);
    expect(screen.text).not.toContain(PASSPHRASE.slice(0, 13));
    expect(await leaks(container, volumes, CANARIES)).toEqual({});
  });

  test('by typing it later: the prompt waits in the background, until docker attach', async () => {
    await using volumes = await Volumes.create();
    await using container = new Container(newName());
    const options = { flags: volumes.mayMount, command: WAIT };
    using starter = await EngineTerminal.open(['run', '-it', ...runArguments(container.name, options)]);
    await starter.terminal.screen.waitFor('Passphrase: ');
    starter.terminal.type(DETACH);
    expect(await starter.ended).toBe(0);

    using person = await EngineTerminal.open(['attach', container.name]);
    await person.line(PASSPHRASE, 'ready\r\n');
    expect(await container.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ status: 0 });
    expect(await container.stop()).toMatchObject({ status: 143 });
  });

  test('without a vault a new one begins, and says so', async () => {
    await using volumes = await Volumes.create({ vault: null });
    const run = await runToEnd({
      flags: volumes.mayMount,
      environment: BY_FILE,
      command: ['sh', '-c', `echo first >~/secrets/first; ls -A ~/secrets`],
    });
    expect(run).toMatchObject({ status: 0, stdout: expect.stringContaining('first') });
    expect(run.stderr).toContain('beginning with an empty one');
    expect(await volumes.saved()).toEqual({ first: 'first\n' });
  });
});

describeContainers('a vault stays locked', () => {
  const failures: { name: string; volumes: VolumesOptions; says: RegExp }[] = [
    { name: 'a wrong passphrase', volumes: { passphrase: WRONG }, says: /wrong passphrase or corrupt/ },
    { name: 'an empty passphrase file', volumes: { passphrase: '' }, says: /passphrase/ },
    { name: 'a truncated vault', volumes: { vault: Buffer.alloc(59) }, says: /too short/ },
    { name: 'a corrupt vault', volumes: { vault: Buffer.alloc(4096) }, says: /wrong passphrase or corrupt/ },
  ];

  test.each(failures)('after $name: the shell is there, and no mount, no file, no passphrase', async (failure) => {
    await using volumes = await Volumes.create(failure.volumes);
    await using container = await Container.start({ flags: volumes.mayMount, environment: BY_FILE, command: WAIT });
    await container.waitForOutput(/^ready$/);
    expect(await container.logs()).toMatch(failure.says);
    expect((await container.exec(RAM_MOUNTS)).stdout).toBe('');
    expect((await container.exec(['find', '/home/tazpod/secrets', '/home/tazpod/.aws', '-mindepth', '1'])).stdout).toBe(
      '',
    );
    expect(await container.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ status: 18 });
    await container.stop();
    expect(await secretsOnDisk(container)).toEqual([]);
  });

  test('after a wrong passphrase, which is then nowhere, as what is in the vault', async () => {
    await using volumes = await Volumes.create({ passphrase: WRONG });
    await using container = await Container.start({ flags: volumes.mayMount, environment: BY_FILE, command: ['env'] });
    expect(await container.wait()).toBe(0);
    expect(await leaks(container, volumes, [...CANARIES, WRONG])).toEqual({});
  });

  test('under `required` a wrong passphrase is the end of the container, with 125', async () => {
    await using volumes = await Volumes.create({ passphrase: WRONG });
    const run = await runToEnd({
      flags: volumes.mayMount,
      environment: { ...BY_FILE, TAZPOD_UNLOCK: 'required' },
      command: ['echo', 'the command ran'],
    });
    expect(run).toMatchObject({
      status: 125,
      stdout: '',
      stderr: expect.stringMatching(/wrong passphrase or corrupt/),
    });
  });

  test('while it does, nothing can be written where the secrets would be', async () => {
    await using volumes = await Volumes.create();
    const run = await runToEnd({
      flags: volumes.mayMount,
      environment: { ...BY_FILE, TAZPOD_UNLOCK: 'never' },
      command: ['sh', '-c', `echo ${SECRET} >~/secrets/here`],
    });
    expect(run).toMatchObject({ status: 2, stderr: expect.stringMatching(/Permission denied/) });
  });

  test('until somebody unlocks it from the shell', async () => {
    await using volumes = await Volumes.create({ secretMode: 0o444 });
    const script =
      'tazpod status --unlocked; echo $?; tazpod unlock && cat ~/.aws/credentials; tazpod lock; ls -A ~/secrets';
    const run = await runToEnd({
      flags: volumes.mayMount,
      environment: { ...BY_FILE, TAZPOD_UNLOCK: 'never' },
      command: ['sh', '-c', script],
    });
    expect(run.status).toBe(0);
    expect(run.stdout).toMatch(/\n18\n/);
    expect(run.stdout.endsWith(CREDENTIALS.trimEnd())).toBe(true);
  });
});
