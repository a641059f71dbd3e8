// `tazpod doctor` in an engine's containers: nothing wrong where everything works, else the flag of `docker run` that is missing.

import { expect, test } from 'vitest';

import { Container, describeContainers, runToEnd } from '../support/container.ts';
import { MAY_MOUNT } from '../support/image.ts';
import { BY_FILE, Volumes } from '../support/volumes.ts';

const ENCLAVE = ['--tmpfs', '/home/tazpod/secrets:size=64m,mode=0700,uid=1000,gid=1000'];
const HOME = ['--tmpfs', '/home/tazpod:mode=0755,uid=1000,gid=1000'];
const RUNTIME = ['--tmpfs', '/run/tazpod:mode=0755,uid=1000,gid=1000'];
const DOCTOR = ['tazpod', 'doctor', '--json'];

interface Checked {
  readonly check: string;
  readonly state: string;
  readonly message: string;
  readonly hint?: string;
}

/** What is not as it should be, but for what is the machine's own doing. */
function faults(stdout: string): Checked[] {
  const { checks } = JSON.parse(stdout) as { checks: Checked[] };
  return checks.filter(({ check, state }) => state !== 'ok' && check !== 'swap' && check !== 'clock');
}

describeContainers('nothing is wrong', () => {
  test.each([
    { name: 'with CAP_SYS_ADMIN', flags: MAY_MOUNT },
    { name: 'with CAP_SYS_ADMIN on a read-only root file system', flags: [...MAY_MOUNT, '--read-only'] },
    { name: 'in an enclave of the engine’s', flags: ENCLAVE },
    {
      name: 'in an enclave of the engine’s, on a read-only root file system with home and /run in memory',
      flags: [...ENCLAVE, '--read-only', ...HOME, '--tmpfs', '/run'],
    },
    { name: 'as the operator from the start', flags: ['--user', '1000', ...ENCLAVE, ...RUNTIME] },
    {
      name: 'with nothing at all, and all that is written to in memory',
      flags: [
        '--user',
        '1000',
        '--cap-drop',
        'ALL',
        '--read-only',
        '--security-opt',
        'no-new-privileges',
        ...HOME,
        ...ENCLAVE,
        ...RUNTIME,
      ],
    },
  ])('$name', async ({ flags }) => {
    await using volumes = await Volumes.create({ secretMode: 0o444 });
    await using container = await Container.start({
      flags: [...volumes.flags, ...flags],
      environment: BY_FILE,
      command: ['sh', '-c', 'echo ready; exec sleep infinity'],
    });
    await container.waitForOutput(/^ready$/);
    for (const user of [[], ['--user', '1000']]) {
      const { status, stdout } = await container.exec(DOCTOR, user);
      expect(faults(stdout)).toEqual([]);
      expect(status).toBe(0);
    }
  });
});

describeContainers('what is missing is named', () => {
  test.each([
    {
      name: 'the capability',
      flags: [],
      check: 'capabilities',
      status: 16,
      hint: '--cap-add SYS_ADMIN --security-opt apparmor=unconfined',
    },
    {
      name: 'an enclave, where PID 1 is the operator',
      flags: [...MAY_MOUNT, '--user', '1000', ...RUNTIME],
      check: 'capabilities',
      status: 16,
      hint: '--tmpfs /home/tazpod/secrets:size=64m,mode=0700,uid=1000,gid=1000',
    },
    {
      name: 'a place for the socket',
      flags: ['--user', '1000', ...ENCLAVE],
      check: 'socket',
      status: 17,
      hint: '--tmpfs /run/tazpod:uid=1000,gid=1000',
    },
    {
      name: 'a place for the link at ~/.aws',
      flags: [...ENCLAVE, '--read-only'],
      check: 'root',
      status: 16,
      hint: '--tmpfs /home/tazpod:mode=0755,uid=1000,gid=1000',
    },
    {
      name: 'memory',
      flags: [...MAY_MOUNT, '--memory', '256m'],
      check: 'memory',
      status: 0,
      hint: 'docker run: --memory 320m',
    },
    { name: 'being PID 1', flags: [...MAY_MOUNT, '--init'], check: 'init', status: 0, hint: 'leave --init out' },
    {
      name: 'a workspace that stays',
      flags: ['--volume', '/elsewhere', ...MAY_MOUNT],
      check: 'workspace',
      status: 0,
      hint: '-v "$PWD:/workspace"',
      workspace: false,
    },
  ])('$name: $status', async ({ flags, check, status, hint, workspace = true }) => {
    await using volumes = await Volumes.create({ secretMode: 0o444 });
    const run = await runToEnd({
      flags: [...(workspace ? volumes.flags : []), ...flags],
      environment: workspace ? BY_FILE : {},
      command: DOCTOR,
    });
    const fault = faults(run.stdout).find((fault) => fault.check === check);
    expect(fault?.hint).toContain(hint);
    expect(run.status).toBe(status);
  });

  test('also where the container does not start: by the doctor in its place, with the same flags', async () => {
    const refused = await runToEnd({ flags: ['--cap-drop', 'CHOWN', ...MAY_MOUNT], command: ['true'] });
    expect(refused.status).toBe(125);
    const flags = ['--cap-drop', 'CHOWN', ...MAY_MOUNT, '--entrypoint', 'tazpod'];
    const run = await runToEnd({ flags, command: ['doctor', '--json'] });
    expect(run.status).toBe(10);
    expect(faults(run.stdout).find(({ check }) => check === 'capabilities')?.hint).toContain('--cap-add CHOWN');
  });
});
