// `tazpod doctor` in real containers: what it says of a healthy one, and of one thing wrong at a time, called by root (as
// `docker exec` does) and by the operator: both are told the same. Programs get the status that the fault itself leads to.

import { chmod, chown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { CONTROL_SOCKET, ENCLAVE, HOME, VAULT_FILE, WORKSPACE } from '../../lib/paths.ts';
import { CAPABILITIES } from '../../sandbox/launch.ts';
import { createPod, SECRET_FILE, startPod, startUnlocked, WAIT, WITH_SECRET, type PodOptions } from '../support/pod.ts';
import { ENVIRONMENT, INITS, Sandbox, type ExecResult, type Running } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';
import { PASSPHRASE, vaultPath } from '../support/vault.ts';

const OPERATOR = 1000;
const DOCTOR = ['tazpod', 'doctor'];
const PROGRAM = '/usr/local/bin/tazpod';
const NO_MOUNTING = CAPABILITIES.filter((name) => name !== 'sys_admin');
const ENGINE_MOUNTS = `mkdir -p ${ENCLAVE}; mount -t tmpfs -o mode=0700,uid=1000,gid=1000,size=64m tmpfs ${ENCLAVE};`;
/** What depends on the machine that the tests run on. */
const OF_THE_MACHINE = new Set(['swap', 'memory', 'clock']);

interface Checked {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'problem';
  readonly message: string;
  readonly hint?: string;
}

/** What `--json` says of a container, of all that does not depend on the machine. */
function findings({ stdout }: Pick<ExecResult, 'stdout'>): Checked[] {
  const { checks } = JSON.parse(stdout) as { checks: Checked[] };
  return checks.filter(({ check }) => !OF_THE_MACHINE.has(check));
}

/** All but what is as it should be. */
function faults(result: Pick<ExecResult, 'stdout'>): Checked[] {
  return findings(result).filter(({ state }) => state !== 'ok');
}

describe('in a healthy container', () => {
  const environment = { ...ENVIRONMENT, ...WITH_SECRET.variables };

  test.each([0, OPERATOR])('nothing is wrong, for uid %i: one line for each check, and 0', async (user) => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    const asLines = await running.exec(DOCTOR, { user, environment });
    expect(asLines).toMatchObject({ code: 0, stderr: '' });
    const asJson = await running.exec([...DOCTOR, '--json'], { user, environment });
    expect(asJson).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(asJson.stdout)).toMatchObject({ ok: true });
    expect(faults(asJson)).toEqual([]);
    for (const { check, state, message } of findings(asJson)) {
      expect(asLines.stdout).toMatch(new RegExp(`^${state} +${check} +\\S`, 'm'));
      // What is free on the machine's disk is another number a moment later.
      expect(asLines.stdout).toContain(check === 'room' ? '/workspace has room for' : message);
    }
    expect(asLines.stdout).toContain('PID 1 answers: unlocked');
    expect(asLines.stdout + asJson.stdout).not.toContain(PASSPHRASE);
  });

  test('that has just been started with a new workspace, and is locked, nothing is wrong either', async () => {
    await using pod = await createPod(null);
    const running = await startPod(pod, WAIT);
    await running.stdout.waitFor('ready');
    expect(faults(await running.exec([...DOCTOR, '--json'], { user: OPERATOR }))).toEqual([]);
  });

  test('on a read-only root file system nothing is wrong either', async () => {
    await using pod = await createPod();
    const prepare = `mkdir -p ${ENCLAVE}; chmod 0555 ${ENCLAVE}; mkdir -p ${HOME}/.aws; chown 1000:1000 ${HOME}/.aws; mount -o remount,bind,ro /;`;
    const running = await startUnlocked(pod, { prepare });
    expect(faults(await running.exec([...DOCTOR, '--json']))).toEqual([]);
  });

  test('whose workspace is a link to where the project is mounted, nothing is wrong either', async () => {
    await using pod = await createPod();
    const prepare = `mkdir -p /projects/mine; mount --move /workspace /projects/mine; rmdir /workspace; ln -s projects/mine /workspace;`;
    const running = await startUnlocked(pod, { prepare });
    expect(faults(await running.exec([...DOCTOR, '--json'], { environment }))).toEqual([]);
  });

  test('it changes nothing', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    const look = [
      'sh',
      '-c',
      `cd /; find ${WORKSPACE} ${HOME} /run/tazpod -printf '%p %u %m %s %T@\\n' | sort; cat /proc/1/mountinfo`,
    ];
    const before = await running.exec(look);
    await running.exec(DOCTOR);
    expect((await running.exec(look)).stdout).toBe(before.stdout);
  });
});

interface Fault {
  readonly name: string;
  readonly pod?: PodOptions;
  /** What is done to the files of the container before it starts. */
  readonly files?: (sandbox: Sandbox) => Promise<void>;
  readonly check: string;
  /** The exit status: 0 for a warning. */
  readonly code: number;
  readonly says: string;
  /** Each of them stands in the hint. */
  readonly mend: readonly string[];
}

const FAULTS: readonly Fault[] = [
  {
    name: 'no capability to mount',
    pod: { capabilities: NO_MOUNTING },
    check: 'capabilities',
    code: 16,
    says: 'no CAP_SYS_ADMIN',
    mend: [
      'docker run: --cap-add SYS_ADMIN --security-opt apparmor=unconfined',
      'compose: cap_add: [SYS_ADMIN]',
      `--tmpfs ${ENCLAVE}:size=64m,mode=0700,uid=1000,gid=1000`,
    ],
  },
  {
    name: 'a PID 1 that is not root, without an enclave of the engine’s',
    pod: { user: OPERATOR, prepare: 'chown 1000:1000 /run/tazpod;' },
    check: 'capabilities',
    code: 16,
    says: 'PID 1 is uid 1000',
    mend: [`--tmpfs ${ENCLAVE}:size=64m,mode=0700,uid=1000,gid=1000`],
  },
  {
    name: 'no socket',
    pod: { user: OPERATOR, prepare: ENGINE_MOUNTS, variables: { TAZPOD_UNLOCK: 'never' } },
    check: 'socket',
    code: 17,
    says: `there is no ${CONTROL_SOCKET}`,
    mend: ['--tmpfs /run/tazpod:uid=1000,gid=1000'],
  },
  {
    name: 'a vault that is itself a mount point',
    pod: { prepare: `mount --bind ${VAULT_FILE} ${VAULT_FILE};` },
    check: 'vault',
    code: 10,
    says: 'is itself a mount point',
    mend: ['-v "$PWD:/workspace"'],
  },
  {
    name: 'a vault that the operator may not read',
    files: async ({ bundle }) => {
      await chown(vaultPath(bundle), 0, 0);
      await chmod(vaultPath(bundle), 0o600);
    },
    check: 'vault',
    code: 10,
    says: 'cannot be read by the operator (permission denied; owner uid 0)',
    mend: ['sudo chown 1000:1000 DIR/.tazpod/vault/vault.tar.aes'],
  },
  {
    name: 'a vault of another owner',
    files: async ({ bundle }) => {
      await chown(vaultPath(bundle), 12_345, 12_345);
      await chmod(vaultPath(bundle), 0o644);
    },
    check: 'vault',
    code: 0,
    says: 'belongs to uid 12345',
    mend: ['sudo chown 1000:1000'],
  },
  {
    name: 'a vault that is cut off',
    files: ({ bundle }) => writeFile(vaultPath(bundle), 'x'.repeat(59)),
    check: 'vault',
    code: 12,
    says: 'it has 59 bytes',
    mend: ['restore it from a copy'],
  },
  {
    name: 'a vault’s directory that is root’s',
    files: ({ bundle }) => chown(dirname(vaultPath(bundle)), 0, 0),
    check: 'vault',
    code: 15,
    says: 'cannot be written to by the operator',
    mend: ['sudo chown 1000:1000 DIR/.tazpod/vault'],
  },
  {
    name: 'a conflict, with a name that would move the cursor',
    files: ({ bundle }) => writeFile(`${vaultPath(bundle)}.conflict-\u001b[2J`, ''),
    check: 'copies',
    code: 0,
    says: `${VAULT_FILE}.conflict-\\x1b[2J`,
    mend: ['tazpod vault list'],
  },
  {
    name: 'a rescue copy that is newer than the vault',
    pod: {
      variables: { TAZPOD_RESCUE_DIR: '/workspace/rescue' },
      prepare: `mkdir /workspace/rescue; touch -d 2000-01-01 ${VAULT_FILE}; : >/workspace/rescue/vault.tar.aes.rescue-20261124T003000Z;`,
    },
    check: 'copies',
    code: 0,
    says: '/workspace/rescue/vault.tar.aes.rescue-20261124T003000Z',
    mend: ['tazpod vault list /workspace/rescue/'],
  },
  {
    name: 'no workspace',
    pod: { prepare: 'umount /workspace; rmdir /workspace;' },
    check: 'workspace',
    code: 10,
    says: 'there is no /workspace',
    mend: ['docker run: -v "$PWD:/workspace"', "compose: volumes: ['./:/workspace']"],
  },
  {
    name: 'a workspace that goes with the container',
    pod: { prepare: 'umount /workspace; chown 1000:1000 /workspace;' },
    check: 'workspace',
    code: 0,
    says: 'goes when the container is removed',
    mend: ['docker run: -v "$PWD:/workspace"'],
  },
  {
    name: 'a workspace that is part of a read-only container',
    pod: {
      prepare: `umount /workspace; chown 1000:1000 /workspace; mkdir -p ${ENCLAVE}; chmod 0555 ${ENCLAVE}; mount -o remount,bind,ro /;`,
    },
    check: 'workspace',
    code: 15,
    says: 'is part of the container, and cannot be written to (read-only file system)',
    mend: ['docker run: -v "$PWD:/workspace"'],
  },
  {
    name: 'a read-only workspace',
    pod: { prepare: 'mount -o remount,bind,ro /workspace;' },
    check: 'workspace',
    code: 15,
    says: 'is mounted read-only',
    mend: ['leave :ro out'],
  },
  {
    name: 'a workspace of root’s, as docker makes a missing one',
    files: ({ bundle }) => chown(bundle.workspace, 0, 0),
    check: 'workspace',
    code: 15,
    says: 'belongs to uid 0 (root: docker makes a missing directory so)',
    mend: ['sudo chown -R 1000:1000 DIR'],
  },
  {
    name: 'a workspace of another owner’s that all may write to',
    files: async ({ bundle }) => {
      await chown(bundle.workspace, 12_345, 12_345);
      await chmod(bundle.workspace, 0o777);
    },
    pod: { variables: { TAZPOD_USER: 'tazpod' } },
    check: 'workspace',
    code: 0,
    says: 'belongs to uid 12345',
    mend: ['sudo chown -R 1000:1000 DIR', 'leave TAZPOD_USER out: the operator becomes uid 12345'],
  },
  {
    name: 'a workspace without room for a save',
    pod: {
      prepare: 'mount -t tmpfs -o size=16k,uid=1000 small /workspace; head -c 12k /dev/zero >/workspace/filling;',
      variables: { TAZPOD_UNLOCK: 'never' },
    },
    check: 'room',
    code: 15,
    says: 'the vault cannot be saved',
    mend: ['make room on the disk'],
  },
  {
    name: 'a workspace without room for a name',
    pod: { prepare: 'mount -t tmpfs -o nr_inodes=1,uid=1000 small /workspace;', variables: { TAZPOD_UNLOCK: 'never' } },
    check: 'room',
    code: 15,
    says: "no room for another file's name",
    mend: ['make room on the disk'],
  },
  {
    name: 'a file in the place of the identity directories',
    files: async ({ bundle }) => {
      await writeFile(join(bundle.workspace, '.tazpod'), '');
    },
    check: 'identity',
    code: 10,
    says: '/workspace/.tazpod is not a directory',
    mend: ['mv /workspace/.tazpod'],
  },
  {
    name: 'an enclave on disk',
    pod: { prepare: `mkdir -p /opt/disk ${ENCLAVE} 2>/dev/null || mkdir -p ${ENCLAVE}; mount --bind /tmp ${ENCLAVE};` },
    check: 'enclave',
    code: 16,
    says: 'secrets must stay in RAM',
    mend: [`leave the volume ${ENCLAVE} out`],
  },
  {
    name: 'a link in the enclave’s place',
    files: async ({ bundle }) => {
      await mkdir(join(bundle.layer, HOME), { recursive: true });
      await symlink('/etc', join(bundle.layer, ENCLAVE));
    },
    check: 'enclave',
    code: 16,
    says: 'is a symbolic link',
    mend: [`rm ${ENCLAVE}`],
  },
  {
    name: 'plaintext that an unlock would cover',
    files: async ({ bundle }) => {
      await mkdir(join(bundle.layer, HOME, '.aws'), { recursive: true });
      await writeFile(join(bundle.layer, HOME, '.aws/credentials'), 'x');
    },
    check: 'aws',
    code: 0,
    says: 'holds files on disk, in the clear',
    mend: ['tazpod unlock'],
  },
  {
    name: 'a passphrase file that does not exist',
    pod: { variables: { TAZPOD_PASSPHRASE_FILE: '/run/secrets/none' } },
    check: 'passphrase',
    code: 11,
    says: '/run/secrets/none does not exist',
    mend: ['-v FILE:/run/secrets/passphrase:ro'],
  },
  {
    name: 'a directory that docker made in a passphrase file’s place',
    pod: { prepare: 'mkdir /run/absent;', variables: { TAZPOD_PASSPHRASE_FILE: '/run/absent' } },
    check: 'passphrase',
    code: 11,
    says: 'is a directory: docker makes one',
    mend: ['check the path on the host'],
  },
  {
    name: 'a passphrase file that holds a newline',
    pod: { secret: '\n', variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE } },
    check: 'passphrase',
    code: 11,
    says: 'is empty',
    mend: ['write the passphrase into it'],
  },
  {
    name: 'a passphrase file in the project',
    pod: {
      prepare: 'printf x >/workspace/passphrase; chown 1000:1000 /workspace/passphrase;',
      variables: { TAZPOD_PASSPHRASE_FILE: '/workspace/passphrase' },
    },
    check: 'passphrase',
    code: 0,
    says: 'beside the vault that it opens, and everybody may read it',
    mend: ['TAZPOD_PASSPHRASE_FILE=/run/secrets/passphrase'],
  },
  {
    name: 'neither a passphrase nor a terminal',
    pod: { variables: { TAZPOD_PASSPHRASE_FILE: '' } },
    check: 'terminal',
    code: 0,
    says: 'the vault stays locked until somebody calls tazpod unlock',
    mend: ['docker run: -it', 'compose: stdin_open: true, tty: true'],
  },
  {
    name: 'a stop that takes longer than the engine gives by default',
    pod: { variables: { TAZPOD_STOP_TIMEOUT: '1m' } },
    check: 'stop',
    code: 0,
    says: 'up to 60 s for the command',
    mend: ['docker run: --stop-timeout 65', 'compose: stop_grace_period: 65s'],
  },
];

describe('is told of', () => {
  test.each(FAULTS)('$name: $check, $code', async ({ pod: options, files, check, code, says, mend }) => {
    await using pod = await createPod(check === 'identity' ? null : undefined);
    await files?.(pod);
    const variables = { ...WITH_SECRET.variables, ...options?.variables };
    const running = await startPod(pod, WAIT, { ...WITH_SECRET, ...options, variables });
    await running.stdout.waitFor('ready');
    for (const user of [0, OPERATOR]) {
      // As for any process that an engine starts in the container, or the shell's.
      const environment = { ...ENVIRONMENT, ...variables };
      const result = await running.exec([...DOCTOR, '--json'], { user, environment });
      const fault = faults(result).find((fault) => fault.check === check);
      expect(fault).toMatchObject({ state: code === 0 ? 'warning' : 'problem' });
      expect(fault?.message).toContain(says);
      for (const words of mend) expect(fault?.hint).toContain(words);
      expect({ user, code: result.code }).toEqual({ user, code });
    }
  });

  test('a passphrase in the variables of the container, without showing it', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT, { variables: { TAZPOD_PASSPHRASE: PASSPHRASE } });
    await running.stdout.waitFor('ready');
    const environment = { ...ENVIRONMENT, TAZPOD_PASSPHRASE: PASSPHRASE };
    for (const user of [0, OPERATOR]) {
      const result = await running.exec(DOCTOR, { user, environment });
      expect(result).toMatchObject({ code: 0 });
      expect(result.stdout).toMatch(/^warning +passphrase +TAZPOD_PASSPHRASE is set/m);
      expect(result.stdout + result.stderr).not.toContain(PASSPHRASE);
    }
  });

  test('a PID 1 that does not answer', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    running.signal('SIGSTOP');
    const result = await running.exec([...DOCTOR, '--json'], { user: OPERATOR });
    running.signal('SIGCONT');
    expect(result.code).toBe(17);
    expect(faults(result).find(({ check }) => check === 'socket')).toMatchObject({
      message: 'cannot reach PID 1: it has not answered for 5 s',
    });
  });

  test('a socket that others may use', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    await running.exec(['chmod', '666', CONTROL_SOCKET]);
    const result = await running.exec([...DOCTOR, '--json']);
    expect(faults(result).find(({ check }) => check === 'socket')).toMatchObject({
      state: 'warning',
      hint: `chmod 600 ${CONTROL_SOCKET}`,
    });
  });

  test('a workspace that it may not look into, once, and of the rest that it cannot be checked', async () => {
    await using pod = await createPod();
    await chown(pod.bundle.workspace, 0, 0);
    await chmod(pod.bundle.workspace, 0o700);
    const running = await startPod(pod, WAIT);
    await running.stdout.waitFor('ready');
    const result = await running.exec([...DOCTOR, '--json']);
    expect(result.code).toBe(15);
    const states = Object.fromEntries(faults(result).map(({ check, state }) => [check, state]));
    expect(states).toMatchObject({ workspace: 'problem', identity: 'warning', vault: 'warning' });
  });

  test('a socket that is somebody else’s: the caller’s own fault', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    const result = await running.exec([...DOCTOR, '--json'], { user: 65_534 });
    expect(faults(result).find(({ check }) => check === 'socket')).toMatchObject({
      state: 'warning',
      hint: 'docker exec --user 1000 CONTAINER tazpod VERB',
    });
  });

  test('what is wrong on standard output, and on standard error what the status is for', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT, { capabilities: NO_MOUNTING });
    await running.stdout.waitFor('ready');
    const { code, stdout, stderr } = await running.exec(DOCTOR);
    expect(code).toBe(16);
    const { stdout: quiet } = await running.exec([...DOCTOR, '--quiet']);
    expect(quiet).toMatch(/^problem +capabilities/m);
    expect(quiet).not.toMatch(/^ok/m);
    expect(stdout).toMatch(/^ok/m);
    expect(stdout).toMatch(/^problem +capabilities +PID 1 has no CAP_SYS_ADMIN.*\n +docker run: --cap-add SYS_ADMIN/m);
    expect(stderr).toBe('tazpod: cannot find all in order: capabilities');
  });
});

describe('where the engine mounted the enclave', () => {
  test('a missing capability is no fault', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, { capabilities: NO_MOUNTING, prepare: ENGINE_MOUNTS });
    const result = await running.exec([...DOCTOR, '--json']);
    expect(faults(result)).toEqual([]);
    expect(result.code).toBe(0);
  });
});

describe('who PID 1 is', () => {
  const SAYS_READY = ['sh', '-c', 'echo ready; exec sleep infinity'];

  async function underneath(sandbox: Sandbox, command: readonly string[]): Promise<Running> {
    const running = await sandbox.start([INITS.tini, '--', ...command]);
    await running.stdout.waitFor('ready');
    return running;
  }

  test('another program, and no entrypoint anywhere: 17, and how to have one', async () => {
    await using pod = await createPod();
    const running = await underneath(pod, SAYS_READY);
    for (const user of [0, OPERATOR]) {
      const result = await running.exec([...DOCTOR, '--json'], { user });
      expect(result.code).toBe(17);
      expect(faults(result).map(({ check }) => check)).toEqual(expect.arrayContaining(['init', 'socket']));
      const init = faults(result).find(({ check }) => check === 'init');
      expect(init?.message).toContain('PID 1 is tini');
      expect(init?.hint).toContain('ENTRYPOINT ["/usr/local/bin/tazpod-entrypoint"]');
    }
  });

  test('an engine’s init in front of the entrypoint: a warning that names the flag', async () => {
    await using pod = await createPod();
    const running = await underneath(pod, [INITS.ours, '--', ...SAYS_READY]);
    const result = await running.exec([...DOCTOR, '--json'], { user: OPERATOR });
    expect(result.code).toBe(0);
    expect(faults(result).filter(({ check }) => check === 'init')).toMatchObject([
      { state: 'warning', message: expect.stringContaining('tini is PID 1'), hint: expect.stringContaining('--init') },
    ]);
  });

  test.each([
    { name: 'with all that is needed', capabilities: CAPABILITIES, code: 0, says: '' },
    {
      name: 'without a capability that an init needs',
      capabilities: CAPABILITIES.filter((name) => name !== 'chown'),
      code: 10,
      says: '--cap-add CHOWN',
    },
    {
      name: 'without any capability at all',
      capabilities: [],
      code: 10,
      says: '--cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add KILL --cap-add SETGID --cap-add SETUID --cap-add SETPCAP',
    },
  ])('the doctor itself, $name: $code', async ({ capabilities, code, says }) => {
    await using pod = await createPod();
    const running = await pod.start([PROGRAM, 'doctor'], { capabilities });
    expect(await running.exited).toEqual({ code, signal: null });
    const said = await running.stdout.whole();
    expect(said).toContain('this doctor is PID 1');
    expect(said).toContain(says);
  });

  test('one with a terminal can ask', async () => {
    await using pod = await createPod();
    using terminal = await Terminal.open();
    const running = await startPod(pod, ['sh', '-c', 'tazpod doctor; echo ended'], {
      terminal,
      variables: { TAZPOD_UNLOCK: 'never' },
    });
    await terminal.screen.waitFor('ended');
    expect(terminal.screen.text).toMatch(/^ok +terminal +PID 1 has a terminal/m);
    expect(await running.exited).toEqual({ code: 0, signal: null });
  });
});

test('an account that is root, or is not there, is told to a doctor in the entrypoint’s place', async () => {
  await using pod = await createPod();
  for (const [user, says] of [
    ['root', 'the operator "root" is root'],
    ['nobody-of-that-name', 'there is no account "nobody-of-that-name"'],
  ] as const) {
    const running = await pod.start([PROGRAM, 'doctor'], { environment: { ...ENVIRONMENT, TAZPOD_USER: user } });
    expect(await running.exited).toEqual({ code: 10, signal: null });
    expect(await running.stdout.whole()).toContain(says);
  }
});

test.each([
  { name: 'lacks what is mounted on', prepare: '', says: `lacks ${ENCLAVE}` },
  {
    name: 'has it with another mode',
    prepare: `mkdir -m 0755 ${ENCLAVE};`,
    says: `make ${ENCLAVE} a directory of root's`,
  },
])('a read-only root that $name is told to a doctor in the entrypoint’s place', async ({ prepare, says }) => {
  await using pod = await createPod();
  const running = await pod.start([PROGRAM, 'doctor'], { prepare: `${prepare} mount -o remount,bind,ro /;` });
  expect(await running.exited).toEqual({ code: 16, signal: null });
  const said = await running.stdout.whole();
  expect(said).toMatch(/^problem +root/m);
  expect(said).toContain(says);
});

test('a workspace whose owner the operator will become is no fault to a doctor in the entrypoint’s place', async () => {
  await using pod = await createPod();
  const prepare = 'chown -R 12345:12345 /workspace;';
  const running = await pod.start([PROGRAM, 'doctor'], { prepare });
  await running.exited;
  expect(await running.stdout.whole()).toMatch(
    /^ok +workspace +.*belongs to uid 12345: the operator becomes that at the start$/m,
  );
  const environment = { ...ENVIRONMENT, TAZPOD_USER: 'tazpod' };
  const named = await pod.start([PROGRAM, 'doctor'], { prepare, environment });
  expect((await named.exited).code).toBe(15);
  expect(await named.stdout.whole()).toMatch(/^problem +workspace +.*belongs to uid 12345, and the operator/m);
});

test('more than one operand or an unknown option is a usage error', async () => {
  await using pod = await createPod(null);
  const running = await startPod(pod, WAIT);
  await running.stdout.waitFor('ready');
  expect(await running.exec([...DOCTOR, 'please'])).toMatchObject({ code: 2 });
  expect(await running.exec([...DOCTOR, '--help'])).toMatchObject({ code: 0 });
});
