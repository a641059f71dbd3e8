// Containers with less than Docker gives by default: each either works, or ends or stays locked with an error that names the flag.

import { expect, test } from 'vitest';

import { Container, describeContainers, runToEnd } from '../support/container.ts';
import { leaks } from '../support/leaks.ts';
import { CANARIES, CONTENTS } from '../support/vault.ts';
import { BY_FILE, Volumes } from '../support/volumes.ts';

const CREDENTIALS = CONTENTS['.aws/credentials'].trimEnd();
const SHOW = ['cat', '/home/tazpod/.aws/credentials'];
const ENCLAVE_OF_THE_ENGINE = ['--tmpfs', '/home/tazpod/secrets:size=64m,mode=0700,uid=1000,gid=1000'];

describeContainers('without CAP_SYS_ADMIN', () => {
  test('the shell is locked, and the error names the flags', async () => {
    await using volumes = await Volumes.create();
    const run = await runToEnd({
      flags: volumes.flags,
      environment: BY_FILE,
      command: ['sh', '-c', 'id -un; tazpod status --unlocked >/dev/null; echo $?; ls -A ~/secrets'],
    });
    expect(run).toMatchObject({ status: 0, stdout: 'tazpod\n18' });
    expect(run.stderr).toContain('--cap-add SYS_ADMIN');
    expect(run.stderr).toContain('--tmpfs /home/tazpod/secrets:');
  });

  test('the container ends with 125 under `required`', async () => {
    await using volumes = await Volumes.create();
    const environment = { ...BY_FILE, TAZPOD_UNLOCK: 'required' };
    const run = await runToEnd({ flags: volumes.flags, environment, command: ['echo', 'the command ran'] });
    expect(run).toMatchObject({ status: 125, stdout: '', stderr: expect.stringContaining('--cap-add SYS_ADMIN') });
  });

  test('an enclave that the engine mounted is used, with a link for ~/.aws, and wiped in place', async () => {
    await using volumes = await Volumes.create();
    const script = `
      cat ~/.aws/credentials && readlink ~/.aws && stat -c '%U %a' ~/secrets
      exec 3<~/.aws/credentials; echo later >~/secrets/later
      tazpod lock; cat <&3; ls -A ~/secrets; [ -L ~/.aws ] || echo no link`;
    await using container = await Container.start({
      flags: [...volumes.flags, ...ENCLAVE_OF_THE_ENGINE],
      environment: BY_FILE,
      command: ['sh', '-c', script],
    });
    expect(await container.wait()).toBe(0);
    const lines = (await container.logs()).split('\n').filter((line) => !/^(\{|tazpod: )/.test(line));
    // Nothing comes from the descriptor that was opened before the lock: the file is cut to nothing.
    expect(lines.join('\n')).toBe(`${CREDENTIALS}\nsecrets/.aws\ntazpod 700\nno link`);
    expect(await volumes.saved()).toEqual({ ...CONTENTS, later: 'later\n' });
  });

  test('nor a root file system that can be written to, memory of the engine is enough', async () => {
    await using volumes = await Volumes.create();
    const home = ['--tmpfs', '/home/tazpod:mode=0755,uid=1000,gid=1000'];
    const run = await runToEnd({
      flags: [...volumes.flags, '--read-only', '--tmpfs', '/run', ...home, ...ENCLAVE_OF_THE_ENGINE],
      environment: BY_FILE,
      command: ['sh', '-c', 'cat ~/.aws/credentials && tazpod lock && ls -A ~/secrets'],
    });
    expect(run).toMatchObject({ status: 0, stdout: CREDENTIALS });
  });
});

describeContainers('without a capability that PID 1 needs of Docker’s own', () => {
  const needed = ['SETUID', 'SETGID', 'SETPCAP', 'KILL', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER'];

  test.each(needed)('%s the container ends with 125, and the error names it', async (capability) => {
    const run = await runToEnd({ flags: ['--cap-drop', capability], command: ['echo', 'the command ran'] });
    expect(run).toMatchObject({ status: 125, stdout: '', stderr: expect.stringContaining(`--cap-add ${capability}`) });
  });

  test('but with those and SYS_ADMIN alone it unlocks', async () => {
    await using volumes = await Volumes.create();
    const flags = ['--cap-drop', 'ALL', ...needed.flatMap((capability) => ['--cap-add', capability])];
    const run = await runToEnd({ flags: [...flags, ...volumes.mayMount], environment: BY_FILE, command: SHOW });
    expect(run).toMatchObject({ status: 0, stdout: CREDENTIALS });
  });
});

describeContainers('a vault is unlocked also', () => {
  const restrictions: { name: string; flags: string[] }[] = [
    { name: 'with no-new-privileges', flags: ['--security-opt', 'no-new-privileges'] },
    { name: 'on a read-only root file system', flags: ['--read-only'] },
    { name: 'on a read-only root file system with a tmpfs on /run', flags: ['--read-only', '--tmpfs', '/run'] },
  ];

  test.each(restrictions)('$name, where tazpod works in the shell', async ({ flags }) => {
    await using volumes = await Volumes.create();
    const command = ['sh', '-c', 'cat ~/.aws/credentials && tazpod lock && ls -A ~/secrets ~/.aws'];
    const run = await runToEnd({ flags: [...volumes.mayMount, ...flags], environment: BY_FILE, command });
    expect(run).toMatchObject({ status: 0, stdout: `${CREDENTIALS}\n/home/tazpod/.aws:\n\n/home/tazpod/secrets:` });
  });

  test('by an engine’s own init in front of ours, which says that it is not PID 1', async () => {
    await using volumes = await Volumes.create();
    await using container = await Container.start({
      flags: [...volumes.mayMount, '--init'],
      environment: BY_FILE,
      command: ['sh', '-c', 'cat ~/.aws/config; echo changed >~/secrets/notes.md; echo ready; exec sleep infinity'],
    });
    await container.waitForOutput(/^ready$/);
    expect(await container.logs()).toContain('not PID 1');
    expect(await container.logs()).toContain(CONTENTS['.aws/config']);
    expect(await container.stop()).toMatchObject({ status: 143 });
    expect(await volumes.saved()).toEqual({ ...CONTENTS, 'notes.md': 'changed\n' });
    expect(await leaks(container, volumes, CANARIES)).toEqual({});
  });

  test('as the operator from the start (--user), in an enclave that the engine mounted', async () => {
    await using volumes = await Volumes.create({ secretMode: 0o444 });
    await using container = await Container.start({
      flags: [...volumes.flags, '--user', '1000', ...ENCLAVE_OF_THE_ENGINE],
      environment: BY_FILE,
      command: [
        'sh',
        '-c',
        'stat -c %a ~/secrets; cat ~/.aws/config; echo changed >~/secrets/notes.md; echo ready; exec sleep infinity',
      ],
    });
    await container.waitForOutput(/^ready$/);
    expect(await container.logs()).toContain(`700\n${CONTENTS['.aws/config']}`);
    expect(await container.stop()).toMatchObject({ status: 143 });
    expect(await volumes.saved()).toEqual({ ...CONTENTS, 'notes.md': 'changed\n' });
    expect(await leaks(container, volumes, CANARIES)).toEqual({});
  });
});

describeContainers('started with --user and without an enclave', () => {
  test('the shell is locked, and the error says what the engine could mount', async () => {
    await using volumes = await Volumes.create({ secretMode: 0o444 });
    const flags = [...volumes.mayMount, '--user', '1000'];
    const run = await runToEnd({ flags, environment: BY_FILE, command: ['sh', '-c', 'id -u; ls -A ~/secrets'] });
    expect(run).toMatchObject({
      status: 0,
      stdout: '1000',
      stderr: expect.stringContaining('--tmpfs /home/tazpod/secrets:'),
    });
  });
});
