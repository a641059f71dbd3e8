// Containers with less than an engine gives by default, or other than it: each mode of docs/privileges.md. Either all of it
// works, or the vault stays locked or the container ends, with an error that names the flag.

import { expect, test } from 'vitest';

import { Container, describeContainers, runToEnd } from '../support/container.ts';
import { buildFrom } from '../support/derived-image.ts';
import { IMAGE, MAY_MOUNT } from '../support/image.ts';
import { leaks, secretsOnDisk } from '../support/leaks.ts';
import { CANARIES, CONTENTS } from '../support/vault.ts';
import { BY_FILE, Volumes, type VolumesOptions } from '../support/volumes.ts';

const NEEDED = ['SETUID', 'SETGID', 'SETPCAP', 'KILL', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER'];
const SEVEN_ALONE = ['--cap-drop', 'ALL', ...NEEDED.flatMap((capability) => ['--cap-add', capability])];
const NO_NEW_PRIVILEGES = ['--security-opt', 'no-new-privileges'];

/** What the engine mounts for an operator. */
const enclave = (uid = 1000) => ['--tmpfs', `/home/tazpod/secrets:size=64m,mode=0700,uid=${uid},gid=${uid}`];
const home = (uid = 1000) => ['--tmpfs', `/home/tazpod:mode=0755,uid=${uid},gid=${uid}`];
const runtime = (uid = 1000) => ['--tmpfs', `/run/tazpod:mode=0755,uid=${uid},gid=${uid}`];

/** A memory volume as a Pod has it: root's, and its group's to write. */
const podVolume = (path: string) => [
  '--mount',
  `type=volume,dst=${path},volume-nocopy,volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=64m,mode=2777,gid=1000"`,
];

/** Whoever PID 1 is must be able to read the passphrase's file. */
const FOR_ALL: VolumesOptions = { secretMode: 0o444 };

interface Mode {
  readonly name: string;
  /** Of `docker run`. */
  readonly flags: readonly string[];
  readonly bridge: 'mount' | 'link';
  /** Whether `tazpod` works in the shell. */
  readonly socket: boolean;
  /** Of the enclave; the operator's alone unless given. */
  readonly mode?: string;
  readonly volumes?: VolumesOptions;
}

const MODES: readonly Mode[] = [
  { name: 'with CAP_SYS_ADMIN', flags: MAY_MOUNT, bridge: 'mount', socket: true },
  {
    name: 'with CAP_SYS_ADMIN and the seven that PID 1 needs, all others dropped',
    flags: [...SEVEN_ALONE, ...MAY_MOUNT],
    bridge: 'mount',
    socket: true,
  },
  {
    name: 'with CAP_SYS_ADMIN and no-new-privileges',
    flags: [...MAY_MOUNT, ...NO_NEW_PRIVILEGES],
    bridge: 'mount',
    socket: true,
  },
  {
    name: 'with CAP_SYS_ADMIN on a read-only root file system',
    flags: [...MAY_MOUNT, '--read-only'],
    bridge: 'mount',
    socket: true,
  },
  {
    name: 'with CAP_SYS_ADMIN on a read-only root file system with a tmpfs on /run',
    flags: [...MAY_MOUNT, '--read-only', '--tmpfs', '/run'],
    bridge: 'mount',
    socket: true,
  },
  { name: 'in an enclave of the engine’s', flags: enclave(), bridge: 'link', socket: true },
  {
    name: 'in an enclave of the engine’s that was given no options',
    flags: ['--tmpfs', '/home/tazpod/secrets'],
    bridge: 'link',
    socket: true,
  },
  {
    name: 'in an enclave of the engine’s, all capabilities dropped but the seven',
    flags: [...enclave(), ...SEVEN_ALONE],
    bridge: 'link',
    socket: true,
  },
  {
    name: 'in an enclave of the engine’s, with no-new-privileges',
    flags: [...enclave(), ...NO_NEW_PRIVILEGES],
    bridge: 'link',
    socket: true,
  },
  {
    name: 'in an enclave of the engine’s, on a read-only root file system with a home in memory',
    flags: [...enclave(), '--read-only', ...home()],
    bridge: 'link',
    socket: false,
  },
  {
    name: 'in an enclave of the engine’s, on a read-only root file system with home and /run in memory',
    flags: [...enclave(), '--read-only', ...home(), '--tmpfs', '/run'],
    bridge: 'link',
    socket: true,
  },
  {
    name: 'as the operator from the start (--user)',
    flags: ['--user', '1000', ...enclave()],
    bridge: 'link',
    socket: false,
    volumes: FOR_ALL,
  },
  {
    name: 'as the operator from the start, with a /run/tazpod of its own',
    flags: ['--user', '1000', ...enclave(), ...runtime()],
    bridge: 'link',
    socket: true,
    volumes: FOR_ALL,
  },
  {
    name: 'as a user that has no account (--user 12345), with home, enclave and /run/tazpod in memory',
    flags: ['--user', '12345', ...home(12345), ...enclave(12345), ...runtime(12345)],
    bridge: 'link',
    socket: true,
    volumes: { ...FOR_ALL, owner: 12345 },
  },
  {
    name: 'with nothing at all: --user, no capability, no-new-privileges, read-only, all it writes to in memory',
    flags: [
      '--user',
      '1000',
      '--cap-drop',
      'ALL',
      '--read-only',
      ...NO_NEW_PRIVILEGES,
      ...home(),
      ...enclave(),
      ...runtime(),
    ],
    bridge: 'link',
    socket: true,
    volumes: FOR_ALL,
  },
  {
    name: 'with nothing at all, where what it writes to is memory of a Pod’s, which is root’s',
    flags: [
      '--user',
      '1000',
      '--cap-drop',
      'ALL',
      '--read-only',
      ...NO_NEW_PRIVILEGES,
      ...podVolume('/home/tazpod'),
      ...podVolume('/home/tazpod/secrets'),
      ...podVolume('/run/tazpod'),
    ],
    bridge: 'link',
    socket: true,
    mode: '2777',
    volumes: FOR_ALL,
  },
];

describeContainers('a vault is unlocked, saved and locked', () => {
  test.each(MODES)('$name', async ({ flags, bridge, socket, mode = '700', volumes: options = {} }) => {
    await using volumes = await Volumes.create(options);
    const show = 'stat -c %a ~/secrets; [ -L ~/.aws ] && echo link || echo mount; cat ~/.aws/config';
    await using container = await Container.start({
      flags: [...volumes.flags, ...flags],
      environment: BY_FILE,
      command: ['sh', '-c', `${show}; echo changed >~/secrets/notes.md; echo ready; exec sleep infinity`],
    });
    await container.waitForOutput(/^ready$/);
    const lines = (await container.logs()).split('\n').filter((line) => !/^(\{|tazpod: )/.test(line));
    expect(lines.join('\n')).toBe(`${mode}\n${bridge}\n${CONTENTS['.aws/config']}ready`);
    expect(await container.exec(['tazpod', 'lock'])).toMatchObject({ status: socket ? 0 : 17 });
    const look = await container.exec(['sh', '-c', 'cd /home/tazpod; ls -A secrets .aws | grep -v :']);
    expect(look.stdout.includes('notes.md')).toBe(!socket);
    expect(await container.stop()).toMatchObject({ status: 143 });
    // Only now: PID 1 writes its messages when there is time, after the command has begun.
    expect((await container.logs()).includes('no control socket')).toBe(!socket);
    expect(await volumes.saved()).toEqual({ ...CONTENTS, 'notes.md': 'changed\n' });
    expect(await secretsOnDisk(container)).toEqual([]);
  });

  test('in an enclave of the engine’s, which is wiped in place: also a file that is still open is empty', async () => {
    await using volumes = await Volumes.create();
    const script = `
      stat -c '%U %a' ~/secrets; exec 3<~/.aws/credentials; echo later >~/secrets/later
      tazpod lock; cat <&3; ls -A ~/secrets; [ -L ~/.aws ] || echo no link`;
    await using container = await Container.start({
      flags: [...volumes.flags, ...enclave()],
      environment: BY_FILE,
      command: ['sh', '-c', script],
    });
    expect(await container.wait()).toBe(0);
    const lines = (await container.logs()).split('\n').filter((line) => !/^(\{|tazpod: )/.test(line));
    expect(lines.join('\n')).toBe('tazpod 700\nno link');
    expect(await volumes.saved()).toEqual({ ...CONTENTS, later: 'later\n' });
    expect(await leaks(container, volumes, CANARIES)).toEqual({});
  });

  test('by an engine’s own init in front of ours, which says that it is not PID 1', async () => {
    await using volumes = await Volumes.create();
    await using container = await Container.start({
      flags: [...volumes.mayMount, '--init'],
      environment: BY_FILE,
      command: ['sh', '-c', 'cat ~/.aws/config; echo changed >~/secrets/notes.md; echo ready; exec sleep infinity'],
    });
    await container.waitForOutput(/^ready$/);
    expect(await container.logs()).toContain(CONTENTS['.aws/config']);
    expect(await container.stop()).toMatchObject({ status: 143 });
    // Only now: PID 1 writes its messages when there is time, after the command has begun.
    expect(await container.logs()).toContain('not PID 1');
    expect(await volumes.saved()).toEqual({ ...CONTENTS, 'notes.md': 'changed\n' });
    expect(await leaks(container, volumes, CANARIES)).toEqual({});
  });

  test('without a socket where an image lacks /run/tazpod and is read-only, and says which flag gives one', async () => {
    await using image = await buildFrom(`FROM ${IMAGE}\nRUN rm -r /run/tazpod`);
    await using volumes = await Volumes.create();
    const options = { image: image.name, environment: BY_FILE, command: ['cat', '/home/tazpod/.aws/config'] };
    const run = await runToEnd({ ...options, flags: [...volumes.mayMount, '--read-only'] });
    expect(run).toMatchObject({ status: 0, stdout: CONTENTS['.aws/config'].trimEnd() });
    expect(run.stderr).toMatch(/no control socket.*--tmpfs \/run\/tazpod/);
  });
});

interface Refused {
  readonly name: string;
  readonly flags: readonly string[];
  /** All of these. */
  readonly says: readonly string[];
  readonly volumes?: VolumesOptions;
}

const REFUSED: readonly Refused[] = [
  {
    name: 'without CAP_SYS_ADMIN',
    flags: [],
    says: [
      'CAP_SYS_ADMIN is missing',
      '--cap-add SYS_ADMIN --security-opt apparmor=unconfined, or have the engine mount it: --tmpfs /home/tazpod/secrets:size=64m,mode=0700,uid=1000,gid=1000',
    ],
  },
  {
    name: 'as the operator from the start (--user), whom no added capability helps',
    flags: [...MAY_MOUNT, '--user', '1000'],
    says: [
      'CAP_SYS_ADMIN is missing',
      'hint: have the engine mount it: --tmpfs /home/tazpod/secrets:size=64m,mode=0700,uid=1000,gid=1000',
    ],
    volumes: FOR_ALL,
  },
  {
    name: 'as a user that has no account, with that user’s id in the flag',
    flags: ['--user', '12345'],
    says: ['--tmpfs /home/tazpod/secrets:size=64m,mode=0700,uid=12345,gid=0'],
    volumes: { ...FOR_ALL, owner: 12345 },
  },
  {
    name: 'as the operator, in an enclave of the engine’s that is root’s',
    flags: ['--user', '1000', '--tmpfs', '/home/tazpod/secrets:mode=0700'],
    says: ['it belongs to uid 0', '--tmpfs /home/tazpod/secrets:size=64m,mode=0700,uid=1000,gid=1000'],
    volumes: FOR_ALL,
  },
  {
    name: 'in an enclave of the engine’s, on a read-only root file system with no place for the link at ~/.aws',
    flags: [...enclave(), '--read-only'],
    says: ['cannot bridge', '--tmpfs /home/tazpod:mode=0755,uid=1000,gid=1000'],
  },
];

describeContainers('a vault stays locked, the command runs, and the error names the flag', () => {
  test.each(REFUSED)('$name', async ({ flags, says, volumes: options = {} }) => {
    await using volumes = await Volumes.create(options);
    const command = ['sh', '-c', 'ls -A ~/secrets; tazpod status --unlocked >/dev/null 2>&1; echo $?'];
    const run = await runToEnd({ flags: [...volumes.flags, ...flags], environment: BY_FILE, command });
    // 18: locked. 17: nothing to ask.
    expect(run).toMatchObject({ status: 0, stdout: expect.stringMatching(/^1[78]$/) });
    for (const words of says) expect(run.stderr).toContain(words);
  });
});

describeContainers('nothing runs, and the container ends with 125', () => {
  test('under `required` without CAP_SYS_ADMIN', async () => {
    await using volumes = await Volumes.create();
    const environment = { ...BY_FILE, TAZPOD_UNLOCK: 'required' };
    const run = await runToEnd({ flags: volumes.flags, environment, command: ['echo', 'the command ran'] });
    expect(run).toMatchObject({ status: 125, stdout: '', stderr: expect.stringContaining('--cap-add SYS_ADMIN') });
  });

  test.each([...NEEDED, 'ALL'])('as root without the capability %s: the error names it', async (capability) => {
    const run = await runToEnd({ flags: ['--cap-drop', capability], command: ['echo', 'the command ran'] });
    expect(run).toMatchObject({ status: 125, stdout: '' });
    const named = capability === 'ALL' ? NEEDED : [capability];
    for (const name of named) expect(run.stderr).toContain(`--cap-add ${name}`);
  });
});
