// The checks on trees of files that look like machines we have not: another kernel, other profiles, another init.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { runChecks } from '../../../cli/doctor/checks.ts';
import { Files } from '../../../cli/doctor/files.ts';
import { Machine, readPrivileged } from '../../../cli/doctor/machine.ts';
import { TazpodError } from '../../../lib/errors.ts';
import { ENCLAVE, VAULT_FILE } from '../../../lib/paths.ts';
import { temporaryDirectory } from '../directories.ts';

type Tree = Readonly<Record<string, string>>;

const MOUNTS = [
  '1 0 0:1 / / rw,relatime - overlay overlay rw,lowerdir=/a',
  '2 1 8:1 /home/me/project /workspace rw,relatime shared:1 - ext4 /dev/sda1 rw',
];
const ENGINES = `3 1 0:9 / ${ENCLAVE} rw,nosuid,nodev - tmpfs tmpfs rw,size=65536k,mode=700`;
const OURS = `3 1 0:9 / ${ENCLAVE} rw,nosuid,nodev - tmpfs tazpod rw,size=65536k,mode=700,noswap`;
const mounts = (...more: string[]) => `${[...MOUNTS, ...more].join('\n')}\n`;
const status = (fields: Tree) =>
  Object.entries(fields)
    .map(([name, value]) => `${name}:\t${value}\n`)
    .join('');
const ROOT = { Uid: '0\t0\t0\t0', CapPrm: '00000000a82425fb', NoNewPrivs: '0', Seccomp: '2', NSpid: '1' };

const CONTAINER: Tree = {
  '/proc/1/cmdline': '/usr/local/bin/tazpod-entrypoint\0--\0bash\0',
  '/proc/1/comm': 'tazpod-init\n',
  '/proc/1/status': status(ROOT),
  '/proc/1/stat': '1 (tazpod) init) S 0 1 1 34816 1 0 0\n',
  '/proc/self/mountinfo': mounts(),
  '/proc/self/uid_map': '         0          0 4294967295\n',
  '/proc/self/environ': '',
  '/proc/swaps': 'Filename Type Size Used Priority\n',
  '/proc/sys/kernel/osrelease': '6.12.9-amd64\n',
  '/etc/passwd': 'tazpod:x:1000:1000::/home/tazpod:/bin/bash\n',
};
const SWAP = { '/proc/swaps': 'Filename Type Size Used Priority\n/swap.img file 1048576 0 -2\n' };

interface Facts {
  readonly pid?: number;
  readonly now?: Date;
  readonly namespace?: string;
}

/** What the doctor says of one check, or of all, in a container that differs from CONTAINER by `tree`. */
function findings(
  tree: Tree,
  { pid = 7, now = new Date('2026-11-24T00:00:00Z'), namespace = '4026532999' }: Facts = {},
) {
  using directory = temporaryDirectory();
  for (const [path, text] of Object.entries({ ...CONTAINER, ...tree })) {
    mkdirSync(dirname(join(directory.path, path)), { recursive: true });
    writeFileSync(join(directory.path, path), text);
  }
  mkdirSync(join(directory.path, 'proc/self/ns'));
  symlinkSync(`pid:[${namespace}]`, join(directory.path, 'proc/self/ns/pid'));
  const files = new Files(directory.path);
  const machine = new Machine(files, readPrivileged(files, pid), {
    caller: { pid, uid: 65_534, onTerminal: false },
    answer: new TazpodError('unreachable', 'cannot reach PID 1'),
    now,
  });
  return runChecks(machine, '1.2.3');
}

function finding(check: string, tree: Tree, facts?: Facts) {
  return findings(tree, facts).find((checked) => checked.check === check);
}

describe('label', () => {
  const of = (label: string, more: Tree = {}) => finding('label', { '/proc/1/attr/current': label, ...more });

  test.each(['docker-default', 'containers-default-0.57.4', 'crio-default', 'cri-containerd.apparmor.d'])(
    'an engine’s AppArmor profile (%s) forbids to mount, and the flag is named',
    (profile) => {
      expect(of(`${profile} (enforce)\n`)).toMatchObject({
        state: 'problem',
        code: 'cannot-mount',
        message: expect.stringContaining(profile),
        hint: expect.stringContaining('--security-opt apparmor=unconfined'),
      });
    },
  );

  test.each(['unconfined\n', 'docker-default (complain)\n', 'system_u:system_r:spc_t:s0\0', 'kernel\0', ''])(
    '%j confines nothing',
    (label) => {
      expect(of(label)).toMatchObject({ state: 'ok' });
    },
  );

  test('another profile may forbid it, and so may SELinux', () => {
    expect(of('mine (enforce)\n')).toMatchObject({ state: 'warning' });
    expect(of('system_u:system_r:container_t:s0:c1,c2\0')).toMatchObject({
      state: 'warning',
      hint: expect.stringContaining('label=disable'),
    });
  });

  test('where the enclave is mounted nothing stood in the way', () => {
    expect(of('docker-default (enforce)\n', { '/proc/self/mountinfo': mounts(ENGINES) })).toMatchObject({
      state: 'ok',
    });
  });

  test('is read where AppArmor has a directory of its own', () => {
    const tree = {
      '/proc/1/attr/apparmor/current': 'docker-default (enforce)\n',
      '/proc/1/attr/current': 'unconfined',
    };
    expect(finding('label', tree)).toMatchObject({ state: 'problem' });
  });
});

describe('swap', () => {
  test.each([
    { name: 'swap is off', tree: { '/proc/sys/kernel/osrelease': '5.10.0\n' }, state: 'ok' },
    { name: 'the kernel can forbid it', tree: SWAP, state: 'ok' },
    { name: 'the kernel is 6.4', tree: { ...SWAP, '/proc/sys/kernel/osrelease': '6.4.0\n' }, state: 'ok' },
    { name: 'the kernel is 6.3', tree: { ...SWAP, '/proc/sys/kernel/osrelease': '6.3.9\n' }, state: 'warning' },
    { name: 'the kernel is 5.15', tree: { ...SWAP, '/proc/sys/kernel/osrelease': '5.15.0-1\n' }, state: 'warning' },
    { name: 'it is mounted with noswap', tree: { ...SWAP, '/proc/self/mountinfo': mounts(OURS) }, state: 'ok' },
    { name: 'the engine mounted it', tree: { ...SWAP, '/proc/self/mountinfo': mounts(ENGINES) }, state: 'warning' },
    {
      name: 'the engine is rootless',
      tree: { ...SWAP, '/proc/self/uid_map': '0 1000 1\n1 100000 65536\n' },
      state: 'warning',
    },
    {
      name: 'the container has none of it (cgroup 2)',
      tree: {
        ...SWAP,
        '/proc/sys/kernel/osrelease': '5.15.0\n',
        '/sys/fs/cgroup/memory.swap.max': '0\n',
      },
      state: 'ok',
    },
    {
      name: 'the container has none of it (cgroup 1)',
      tree: {
        ...SWAP,
        '/proc/sys/kernel/osrelease': '5.15.0\n',
        '/sys/fs/cgroup/memory/memory.limit_in_bytes': '1073741824\n',
        '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes': '1073741824\n',
      },
      state: 'ok',
    },
  ])('$name: $state', ({ tree, state }) => {
    expect(finding('swap', tree)).toMatchObject({ state });
  });
});

describe('memory', () => {
  test.each([
    { name: 'no limit', tree: { '/sys/fs/cgroup/memory.max': 'max\n' }, state: 'ok' },
    {
      name: 'no limit (cgroup 1)',
      tree: { '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' },
      state: 'ok',
    },
    { name: '1 GiB', tree: { '/sys/fs/cgroup/memory.max': '1073741824\n' }, state: 'ok' },
    { name: '128 MiB', tree: { '/sys/fs/cgroup/memory.max': '134217728\n' }, state: 'warning' },
    {
      name: '1 GiB, and an enclave as large',
      tree: { '/sys/fs/cgroup/memory.max': '1073741824\n', '/proc/self/environ': 'TAZPOD_ENCLAVE_SIZE=1g\0' },
      state: 'warning',
    },
  ])('$name: $state', ({ tree, state }) => {
    expect(finding('memory', tree)).toMatchObject({ state });
  });

  test('too small a limit is told with one that is enough', () => {
    expect(finding('memory', { '/sys/fs/cgroup/memory.max': '134217728\n' })).toMatchObject({
      message: expect.stringMatching(/128m.*64m/),
      hint: expect.stringContaining('--memory 320m'),
    });
  });
});

test('a PID 1 that does something with the operator’s identity just now is root, with what root has', () => {
  const momentary = { ...ROOT, Uid: '1000\t1000\t0\t1000', CapEff: '0000000000000000' };
  expect(finding('capabilities', { '/proc/1/status': status(momentary) })).toEqual(finding('capabilities', {}));
});

describe('init', () => {
  const OTHER = { '/proc/1/cmdline': '/sbin/docker-init\0--\0x\0', '/proc/1/comm': 'docker-init\n' };
  const ENTRYPOINT = { '/proc/6/cmdline': 'tazpod-entrypoint\0bash\0', '/proc/6/status': status(ROOT) };

  test('the entrypoint behind another one is found, and is the one whose capabilities count', () => {
    const tree = { ...OTHER, ...ENTRYPOINT, '/proc/6/status': status({ ...ROOT, CapPrm: '0000000000000000' }) };
    expect(finding('init', tree)).toMatchObject({ state: 'warning', hint: expect.stringContaining('--init') });
    expect(finding('capabilities', tree)).toMatchObject({ state: 'problem', code: 'configuration' });
  });

  test('the entrypoint of a container in this one is not ours', () => {
    const tree = { ...OTHER, ...ENTRYPOINT, '/proc/6/status': status({ ...ROOT, NSpid: '6\t1' }) };
    expect(finding('init', tree)).toMatchObject({ state: 'problem', code: 'unreachable' });
  });

  test('a pod that shares its processes is told how not to', () => {
    const tree = { ...OTHER, ...ENTRYPOINT, '/proc/1/cmdline': '/pause\0' };
    expect(finding('init', tree)).toMatchObject({ hint: expect.stringContaining('shareProcessNamespace: false') });
  });

  test('a name that a terminal would obey is shown harmlessly', () => {
    expect(finding('init', { '/proc/1/cmdline': 'evil\u001b[2J\0' })).toMatchObject({
      message: expect.stringContaining('evil\\x1b[2J'),
    });
  });

  test('where /proc shows no arguments the kernel’s own name for it will do', () => {
    expect(finding('init', { '/proc/1/cmdline': '', '/proc/1/comm': 'systemd\n' })).toMatchObject({
      message: expect.stringContaining('PID 1 is systemd'),
    });
  });
});

describe('on the machine itself', () => {
  const HOST = { '/proc/1/cmdline': '/sbin/init\0' };
  const FIRST = { namespace: '4026531836' };

  test('that is said, and just what containers have from it is checked', () => {
    const all = findings({ ...HOST, ...SWAP, '/proc/sys/kernel/osrelease': '5.15.0\n' }, FIRST);
    expect(all.map(({ check, state }) => `${check}: ${state}`)).toEqual([
      'place: warning',
      'swap: warning',
      'clock: ok',
    ]);
    expect(all[0]).toMatchObject({ hint: expect.stringContaining('docker exec CONTAINER tazpod doctor') });
  });

  test.each(['/.dockerenv', '/run/.containerenv'])(
    '%s says that it is a container all the same (--pid=host)',
    (mark) => {
      expect(finding('place', { ...HOST, [mark]: '' }, FIRST)).toMatchObject({ state: 'ok' });
    },
  );
});

describe('clock', () => {
  test('one that stands before there was a vault tool is wrong', () => {
    expect(finding('clock', {}, { now: new Date(0) })).toMatchObject({ state: 'warning' });
  });

  test('one that is behind the vault’s own time is wrong, or the other is', () => {
    expect(finding('clock', { [VAULT_FILE]: '' }, { now: new Date('2026-01-02') })).toMatchObject({
      state: 'warning',
      message: expect.stringContaining('one of two clocks is wrong'),
    });
  });
});

describe('stop', () => {
  test.each([
    { value: '5999ms', state: 'ok' },
    { value: '6s', state: 'warning' },
    { value: 'off', state: 'warning' },
    { value: 'soon', state: 'problem' },
  ])('TAZPOD_STOP_TIMEOUT=$value: $state', ({ value, state }) => {
    expect(finding('stop', { '/proc/self/environ': `TAZPOD_STOP_TIMEOUT=${value}\0` })).toMatchObject({ state });
  });

  test('what PID 1 was started with counts, where it can be read', () => {
    const tree = { '/proc/1/environ': 'TAZPOD_STOP_TIMEOUT=1m\0', '/proc/self/environ': 'TAZPOD_STOP_TIMEOUT=1s\0' };
    expect(finding('stop', tree)).toMatchObject({ hint: expect.stringContaining('--stop-timeout 65') });
  });
});

describe('passphrase', () => {
  const HIDDEN = 'hidden-canary-77';

  test.each(['/proc/1/environ', '/proc/self/environ'])(
    'a variable in %s is a warning that does not show it',
    (path) => {
      const all = findings({ [path]: `A=1\0TAZPOD_PASSPHRASE=${HIDDEN}\0B=2\0` });
      expect(all.find(({ check }) => check === 'passphrase')).toMatchObject({ state: 'warning' });
      expect(JSON.stringify(all)).not.toContain(HIDDEN);
    },
  );

  test('an empty variable counts as none', () => {
    expect(finding('passphrase', { '/proc/self/environ': 'TAZPOD_PASSPHRASE=\0' })).toMatchObject({ state: 'ok' });
  });

  test('a variable beside a file is a problem: nothing starts', () => {
    const tree = { '/proc/self/environ': `TAZPOD_PASSPHRASE=${HIDDEN}\0TAZPOD_PASSPHRASE_FILE=/x\0` };
    expect(finding('passphrase', tree)).toMatchObject({ state: 'problem', code: 'configuration' });
  });
});

describe('terminal', () => {
  const NONE = { '/proc/1/stat': '1 (tazpod-init) S 0 1 1 0 -1 4194560\n', [VAULT_FILE]: '' };

  test.each([
    { environ: '', state: 'warning' },
    { environ: 'TAZPOD_UNLOCK=never\0', state: 'ok' },
    { environ: 'TAZPOD_UNLOCK=required\0', state: 'problem' },
    { environ: 'TAZPOD_UNLOCK=required\0TAZPOD_PASSPHRASE_FILE=/x\0', state: 'ok' },
    { environ: 'TAZPOD_UNLOCK=prompt\0TAZPOD_PASSPHRASE_FILE=/x\0', state: 'problem' },
  ])('none, with $environ: $state', ({ environ, state }) => {
    expect(finding('terminal', { ...NONE, '/proc/self/environ': environ })).toMatchObject({ state });
  });

  test('there is one, whatever the process is called', () => {
    expect(finding('terminal', { [VAULT_FILE]: '' })).toMatchObject({ state: 'ok' });
  });
});

test('of a machine that shows hardly anything all is told the same, each fault with what mends it', () => {
  const all = findings({ '/proc/1/cmdline': '', '/proc/1/status': '', '/etc/passwd': '', '/proc/self/mountinfo': '' });
  const faults = all.filter(({ state }) => state !== 'ok');
  expect(faults.map(({ check }) => check)).toEqual(['init', 'capabilities', 'socket', 'workspace']);
  for (const fault of faults) expect(fault).toMatchObject({ hint: expect.stringMatching(/\S/) });
});
