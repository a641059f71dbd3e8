// The boot, apart from the unlock: configuration, privilege, identity directories, the command that is run, and what is in
// the way. Nothing is started while a value is bad; what can do without a workspace or a socket does.

import { chown, mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { CONTROL_SOCKET, ENCLAVE, HOME } from '../../lib/paths.ts';
import { CAPABILITIES } from '../../sandbox/launch.ts';
import {
  createPod,
  NO_REMAINS,
  NOTHING,
  remains,
  SECRETS,
  readSecrets,
  startPod,
  startUnlocked,
  traces,
  WAIT,
  WITH_SECRET,
} from '../support/pod.ts';
import { INITS, type Sandbox } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';
import { PASSPHRASE } from '../support/vault.ts';

const OPERATOR = 1000;
const IDENTITIES = ['.aws', '.claude', '.gemini', '.omp', '.opencode', '.pi'];

describe('a bad flag or value', () => {
  interface Bad {
    readonly flags?: readonly string[];
    readonly variables?: Readonly<Record<string, string>>;
    readonly names: string;
    readonly code: number;
  }
  // What else is bad in a value is the unit tests' matter.
  const rows: Bad[] = [
    { flags: ['-x'], names: '-x', code: 1 },
    { flags: ['--extra'], names: '--extra', code: 1 },
    { flags: ['-p', 'SIGNOTHING'], names: 'SIGNOTHING', code: 1 },
    { variables: { TAZPOD_ENCLAVE_SIZE: '64x' }, names: 'TAZPOD_ENCLAVE_SIZE', code: 125 },
    { variables: { TAZPOD_STOP_TIMEOUT: 'soon' }, names: 'TAZPOD_STOP_TIMEOUT', code: 125 },
    { variables: { TAZPOD_STOP_SIGNAL: 'NOTHING' }, names: 'TAZPOD_STOP_SIGNAL', code: 125 },
    { variables: { TAZPOD_UNLOCK: 'yes' }, names: 'TAZPOD_UNLOCK', code: 125 },
    { variables: { TAZPOD_LOG_LEVEL: 'loud' }, names: 'TAZPOD_LOG_LEVEL', code: 125 },
    { variables: { TAZPOD_USER: 'nobody-of-that-name' }, names: 'nobody-of-that-name', code: 125 },
    { variables: { TAZPOD_USER: 'root' }, names: 'TAZPOD_USER', code: 125 },
    {
      variables: { TAZPOD_PASSPHRASE: PASSPHRASE, TAZPOD_PASSPHRASE_FILE: '/run/secrets/passphrase' },
      names: 'TAZPOD_PASSPHRASE and TAZPOD_PASSPHRASE_FILE are both set',
      code: 125,
    },
    { variables: { TAZPOD_PASSPHRASE: 'x'.repeat(65_536) }, names: 'more than 65535 bytes', code: 125 },
  ];

  let pod: Sandbox;
  beforeAll(async () => {
    pod = await createPod();
  });
  afterAll(async () => {
    await pod[Symbol.asyncDispose]();
  });

  test.each(rows)(
    'is named ($names), and nothing is started: $code',
    async ({ flags = [], variables = {}, names, code }) => {
      const files = await readdir(pod.bundle.workspace, { recursive: true });
      const running = await startPod(pod, ['touch', '/workspace/the-command-ran'], { flags, variables });
      expect(await running.exited).toEqual({ code, signal: null });
      const said = await running.stderr.whole();
      expect(said).toContain(names);
      expect(said).not.toContain(PASSPHRASE);
      expect(await readdir(pod.bundle.workspace, { recursive: true })).toEqual(files);
      expect(await remains(pod)).toEqual(NO_REMAINS);
    },
  );

  test('is told with all the others at once', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, ['true'], {
      variables: { TAZPOD_UNLOCK: 'yes', TAZPOD_ENCLAVE_SIZE: 'big', TAZPOD_AUTOSAVE: 'no' },
    });
    expect(await running.exited).toEqual({ code: 125, signal: null });
    const said = await running.stderr.whole();
    for (const name of ['TAZPOD_UNLOCK', 'TAZPOD_ENCLAVE_SIZE', 'TAZPOD_AUTOSAVE']) expect(said).toContain(name);
  });

  test('that is empty counts as not given', async () => {
    await using pod = await createPod();
    const names = ['PASSPHRASE_FILE', 'UNLOCK', 'USER', 'ENCLAVE_SIZE', 'STOP_SIGNAL', 'STOP_TIMEOUT', 'LOG_LEVEL'];
    const running = await startPod(pod, ['id', '-un'], {
      variables: Object.fromEntries(names.map((name) => [`TAZPOD_${name}`, ''])),
    });
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await running.stdout.whole()).toBe('tazpod\n');
  });
});

describe('the command', () => {
  test('is the operator’s, without any capability, a child of PID 1', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, ['cat', '/proc/self/status', '/proc/self/environ'], {
      environment: { PATH: '/usr/bin:/bin', HOME: '/root', USER: 'root', ODD: 'kept' },
    });
    const said = await running.stdout.whole();
    expect(said).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
    expect(said).toMatch(/^Gid:\t1000\t1000\t1000\t1000$/m);
    expect(said).toMatch(/^Groups:\t1000 $/m);
    expect(said).toMatch(/^PPid:\t1$/m);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) expect(said).toMatch(new RegExp(`^${set}:\t0+$`, 'm'));
    // Docker's default set, from which SYS_ADMIN, which PID 1 was given, is gone.
    expect(said).toMatch(/^CapBnd:\t00000000a80425fb$/m);
    const variables = said
      .slice(said.lastIndexOf('\n') + 1)
      .split('\0')
      .filter(Boolean)
      .sort();
    expect(variables).toEqual(
      [
        'HOME=/home/tazpod',
        'LOGNAME=tazpod',
        'ODD=kept',
        'PATH=/usr/bin:/bin',
        'SHELL=/bin/bash',
        'USER=tazpod',
      ].sort(),
    );
  });

  test('that is not given is the operator’s login shell', async () => {
    await using pod = await createPod();
    using terminal = await Terminal.open();
    const running = await pod.start([INITS.ours], {
      terminal,
      environment: { PATH: '/usr/bin:/bin', TAZPOD_UNLOCK: 'never' },
    });
    await terminal.screen.waitFor('$');
    terminal.type('echo "$0 $(id -un) $PPID"; exit 3\r');
    await terminal.screen.waitFor('-bash tazpod 1\r\n');
    expect(await running.exited).toEqual({ code: 3, signal: null });
  });

  test('may open its standard streams by name, be they pipes or a terminal', async () => {
    await using pod = await createPod(null);
    const script = 'echo out >/dev/stdout && echo err >/dev/stderr && head -1 /dev/stdin';
    const piped = await startPod(pod, ['sh', '-c', script], { stdin: 'pipe' });
    piped.stdin.end('in\n');
    expect(await piped.stdout.whole()).toBe('out\nin\n');
    expect(await piped.stderr.whole()).toBe('err\n');
    await piped.exited;

    using terminal = await Terminal.open();
    const onTerminal = await startPod(
      pod,
      ['sh', '-c', 'echo out >/dev/stdout && echo tty >"$(tty)" && echo dev >/dev/tty'],
      { terminal },
    );
    expect(await onTerminal.exited).toEqual({ code: 0, signal: null });
    expect(await terminal.ended()).toBe('out\r\ntty\r\ndev\r\n');
  });

  test.each([
    { name: 'that is nowhere', command: ['no-such-command'], code: 127 },
    { name: 'whose path leads nowhere', command: ['/no/such/command'], code: 127 },
    { name: 'that is a directory', command: ['/usr'], code: 126 },
    { name: 'that is not executable', command: ['/etc/passwd'], code: 126 },
  ])('$name gives $code, with the vault saved and locked', async ({ command, code }) => {
    await using pod = await createPod();
    const running = await startPod(pod, command, WITH_SECRET);
    expect(await running.exited).toEqual({ code, signal: null });
    expect(await running.stderr.whole()).toContain(command[0]);
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('runs as another account that is asked for, in its home', async () => {
    await using pod = await createPod(null);
    const running = await startPod(pod, ['sh', '-c', 'id -un; echo $HOME $USER'], {
      variables: { TAZPOD_USER: 'daemon' },
    });
    expect(await running.stdout.whole()).toBe('daemon\n/usr/sbin daemon\n');
  });

  test.each(['help', 'version'])('is not run when --%s is asked for', async (flag) => {
    await using pod = await createPod(null);
    const running = await startPod(pod, ['touch', '/workspace/the-command-ran'], { flags: [`--${flag}`] });
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await running.stdout.whole()).toContain('tazpod-entrypoint');
    expect(await readdir(pod.bundle.workspace)).toEqual([]);
  });
});

describe('the identity directories', () => {
  test('are made, the operator’s, and linked from the home', async () => {
    await using pod = await createPod(null);
    const running = await startPod(pod, ['sh', '-c', 'echo state >~/.claude/state'], { prepare: 'umask 077' });
    expect(await running.exited).toEqual({ code: 0, signal: null });
    const directory = join(pod.bundle.workspace, '.tazpod');
    expect((await readdir(directory)).sort()).toEqual(IDENTITIES);
    for (const name of ['', ...IDENTITIES]) {
      const { uid, gid, mode } = await stat(join(directory, name));
      expect({ uid, gid, mode: mode & 0o7777 }).toEqual({ uid: OPERATOR, gid: OPERATOR, mode: 0o755 });
    }
    expect(await readFile(join(directory, '.claude/state'), 'utf8')).toBe('state\n');
    expect(await readlink(join(pod.bundle.layer, HOME, '.claude'))).toBe('/workspace/.tazpod/.claude');
  });

  test('that are there already keep their modes and contents, and so does the home', async () => {
    await using pod = await createPod(null);
    const directory = join(pod.bundle.workspace, '.tazpod');
    const own = join(pod.bundle.layer, HOME, '.gemini');
    await mkdir(join(directory, '.pi'), { recursive: true, mode: 0o700 });
    await writeFile(join(directory, '.pi/settings'), 'mine');
    await mkdir(own, { recursive: true });
    await writeFile(join(own, 'settings'), 'mine');
    for (const path of [directory, join(directory, '.pi')]) await chown(path, OPERATOR, OPERATOR);
    for (let times = 0; times < 2; times++) {
      const running = await startPod(pod, ['true']);
      expect(await running.exited).toEqual({ code: 0, signal: null });
    }
    expect((await stat(join(directory, '.pi'))).mode & 0o7777).toBe(0o700);
    expect(await readFile(join(directory, '.pi/settings'), 'utf8')).toBe('mine');
    expect(await readFile(join(own, 'settings'), 'utf8')).toBe('mine');
  });

  test.each([
    { name: 'that is missing', prepare: 'umount /workspace; rmdir /workspace' },
    { name: 'that is read-only', prepare: 'mount -o remount,bind,ro /workspace' },
    { name: 'that is root’s alone', prepare: 'chown 0:0 /workspace; chmod 0700 /workspace' },
    { name: 'that is a file', prepare: 'umount /workspace; rmdir /workspace; : >/workspace' },
  ])('need a workspace: one $name is a warning, and the command runs', async ({ prepare }) => {
    await using pod = await createPod(null);
    const running = await startPod(pod, ['echo', 'ran'], { prepare });
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await running.stdout.whole()).toBe('ran\n');
    expect(await running.stderr.whole()).toContain('cannot make the identity directories');
  });
});

describe('without a capability', () => {
  const needed = ['chown', 'dac_override', 'fowner', 'kill', 'setgid', 'setuid', 'setpcap'];
  test.each(needed)('%s nothing is started, and the error names the flag', async (missing) => {
    await using pod = await createPod(null);
    const running = await startPod(pod, ['touch', '/workspace/the-command-ran'], {
      capabilities: CAPABILITIES.filter((name) => name !== missing),
    });
    expect(await running.exited).toEqual({ code: 125, signal: null });
    expect(await running.stderr.whole()).toContain(`--cap-add ${missing.toUpperCase()}`);
    expect(await readdir(pod.bundle.workspace)).toEqual([]);
  });

  test('to mount the vault stays locked, the error names the flag, and the command runs', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT, {
      ...WITH_SECRET,
      capabilities: CAPABILITIES.filter((name) => name !== 'sys_admin'),
    });
    await running.stdout.waitFor('ready');
    await running.stderr.waitFor('--cap-add SYS_ADMIN --security-opt apparmor=unconfined');
    expect(await traces(pod, running)).toEqual(NOTHING);
    expect(await running.exec(['tazpod', 'unlock', '--passphrase-file', '-'], { input: PASSPHRASE })).toMatchObject({
      code: 16,
    });
  });

  test('and without root, the command runs as who we are', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, ['id', '-u'], { user: OPERATOR });
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await running.stdout.whole()).toBe('1000\n');
  });

  test('and without root, an enclave that the engine mounted is used all the same', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, {
      user: OPERATOR,
      prepare: `mkdir -p ${ENCLAVE}; mount -t tmpfs -o mode=0700,uid=1000,gid=1000 engine ${ENCLAVE}; chown 1000:1000 /run/tazpod`,
    });
    expect(await readSecrets(running)).toBe(SECRETS);
    running.signal('SIGTERM');
    expect(await running.exited).toEqual({ code: 143, signal: null });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });
});

describe('the control socket', () => {
  test('of a PID 1 that was killed is replaced', async () => {
    await using pod = await createPod();
    const first = await startPod(pod, WAIT);
    await first.stdout.waitFor('ready');
    first.signal('SIGKILL');
    await first.exited;
    expect(await readdir(join(pod.bundle.layer, 'run/tazpod'))).toContain('control.sock');
    const second = await startUnlocked(pod);
    expect(await second.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ code: 0 });
  });

  test('is gone when PID 1 has ended', async () => {
    await using pod = await createPod(null);
    const running = await startPod(pod, ['stat', CONTROL_SOCKET]);
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await readdir(join(pod.bundle.layer, 'run/tazpod'))).not.toContain('control.sock');
  });

  test('stays with the first of two in a container: the second is an init without a vault', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    const ours = [INITS.ours, '-s', '--'];
    const second = await running.exec([...ours, 'sh', '-c', 'tazpod status --unlocked; exit 5']);
    expect(second).toMatchObject({ code: 5 });
    expect(second.stderr).toContain('another tazpod-entrypoint serves this container');
    const required = await running.exec([...ours, 'true'], {
      environment: { PATH: '/usr/bin:/bin', TAZPOD_UNLOCK: 'required' },
    });
    expect(required).toMatchObject({ code: 125 });
    expect(await readSecrets(running)).toBe(SECRETS);
    expect(await running.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ code: 0 });
  });

  test('has a small file system of its own where the root is read-only', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, {
      prepare: `mkdir -p ${ENCLAVE}; chown 0:0 ${ENCLAVE}; chmod 0555 ${ENCLAVE}; mkdir /home/tazpod/.aws; chown 1000:1000 /home/tazpod/.aws; mount -o remount,bind,ro /`,
    });
    expect(await readSecrets(running)).toBe(SECRETS);
    expect(await running.exec(['tazpod', 'lock'])).toMatchObject({ code: 0 });
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('is missing, with a warning, where nothing can be written and mounted, and the command runs', async () => {
    await using pod = await createPod(null);
    const running = await startPod(pod, ['echo', 'ran'], {
      capabilities: CAPABILITIES.filter((name) => name !== 'sys_admin'),
      prepare: 'mount -o remount,bind,ro /',
    });
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await running.stdout.whole()).toBe('ran\n');
    expect(await running.stderr.whole()).toContain('no control socket');
  });
});

test('without root, home and workspace it is still an init', async () => {
  await using pod = await createPod(null);
  const running = await startPod(pod, ['sh', '-c', 'echo ran; exit 7'], {
    user: 1000,
    prepare: 'rm -rf /home/tazpod /run/tazpod; umount /workspace; rmdir /workspace',
  });
  expect(await running.exited).toEqual({ code: 7, signal: null });
  expect(await running.stdout.whole()).toBe('ran\n');
});

test('an image without the account gets one', async () => {
  await using pod = await createPod(null);
  const { bundle } = pod;
  for (const file of ['passwd', 'group'])
    await writeFile(join(bundle.directory, file), 'root:x:0:0:root:/root:/bin/sh\n');
  const running = await startPod(pod, ['id'], {
    prepare: 'for file in passwd group; do cp /etc/$file /tmp/$file; mount --bind /tmp/$file /etc/$file; done',
  });
  expect(await running.stdout.whole()).toBe('uid=1000(tazpod) gid=1000(tazpod) groups=1000(tazpod)\n');
});
