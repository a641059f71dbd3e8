// What the command is given on a real engine: an identity without privileges, PID 1 as its parent, streams and terminal that it
// can open; and how people come in beside it, with `docker exec`.

import { execa } from 'execa';
import { expect, test } from 'vitest';

import { Container, describeContainers, docker, newName, runArguments, runToEnd } from '../support/container.ts';
import { EngineTerminal } from '../support/engine-terminal.ts';
import { CONTENTS } from '../support/vault.ts';
import { BY_FILE, Volumes } from '../support/volumes.ts';

const WAIT = ['sh', '-c', 'echo ready; exec sleep infinity'];
const SYS_ADMIN = 1n << 21n; // capabilities(7)

describeContainers('the command', () => {
  test('is a child of our PID 1, the operator, and can never have CAP_SYS_ADMIN', async () => {
    await using volumes = await Volumes.create();
    const script = 'cat /proc/$$/status /proc/1/comm; tazpod status --json';
    const run = await runToEnd({ flags: volumes.mayMount, environment: BY_FILE, command: ['sh', '-c', script] });
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(run.stdout)?.[1];

    expect(field('Uid')).toBe('1000\t1000\t1000\t1000');
    expect(field('Gid')).toBe('1000\t1000\t1000\t1000');
    expect(field('PPid')).toBe('1');
    expect(run.stdout).toContain('\ntazpod-init\n');
    expect(JSON.parse(run.stdout.split('\n').at(-1) ?? '')).toMatchObject({ state: 'unlocked', init: { pid: 1 } });
    expect(field('CapEff')).toMatch(/^0+$/);
    expect(BigInt(`0x${field('CapBnd')}`)).not.toBe(0n);
    expect(BigInt(`0x${field('CapBnd')}`) & SYS_ADMIN).toBe(0n);
  });

  test('can open its standard streams by name, on pipes and on a terminal', async () => {
    const script = 'echo to stdout >/dev/stdout; echo to stderr >/dev/stderr';
    expect(await runToEnd({ command: ['sh', '-c', script] })).toEqual({
      status: 0,
      stdout: 'to stdout',
      stderr: 'to stderr',
    });

    const onTerminal = 'echo to the terminal >$(tty) && stat -c %U $(tty)';
    using shell = await EngineTerminal.open([
      'run',
      '--rm',
      '-it',
      ...runArguments(newName(), { command: ['sh', '-c', onTerminal] }),
    ]);
    await shell.terminal.screen.waitFor('to the terminal\r\ntazpod\r\n');
    expect(await shell.ended).toBe(0);
  });

  test('is a login shell on a terminal where none is given, with job control and Ctrl-C its own', async () => {
    using shell = await EngineTerminal.open(['run', '--rm', '-it', ...runArguments(newName(), {})]);
    const { terminal } = shell;
    await terminal.screen.waitFor('$ ');
    await shell.line('shopt login_shell; set -o | grep monitor', /login_shell\s+on\r\nmonitor\s+on/);
    await shell.line('sh -c "echo wait\\ing; exec sleep infinity"', 'waiting\r\n');
    terminal.type('\x03');
    await shell.line('echo status $?', 'status 130\r\n');
    await shell.line('exit 4', 'exit');
    expect(await shell.ended).toBe(4);
  });
});

describeContainers('docker exec', () => {
  test('calls tazpod as root, which becomes the operator: status, save, lock, unlock', async () => {
    await using volumes = await Volumes.create({ secretMode: 0o444 });
    await using container = await Container.start({ flags: volumes.mayMount, environment: BY_FILE, command: WAIT });
    await container.waitForOutput(/^ready$/);

    expect(await container.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ status: 0 });
    await container.exec(['sh', '-c', 'echo by root >/home/tazpod/secrets/by-root']);
    expect(await container.exec(['tazpod', 'save'])).toMatchObject({ status: 0 });
    expect(await volumes.saved()).toEqual({ ...CONTENTS, 'by-root': 'by root\n' });

    expect(await container.exec(['tazpod', 'lock'])).toMatchObject({ status: 0 });
    expect((await container.exec(['ls', '-A', '/home/tazpod/secrets'])).stdout).toBe('');
    expect(await container.exec(['tazpod', 'unlock'])).toMatchObject({ status: 0 });
    // What root made is the operator's since it was saved.
    expect(await container.exec(['stat', '-c', '%U', '/home/tazpod/secrets/by-root'])).toMatchObject({
      stdout: 'tazpod',
    });
  });

  test('-u tazpod -it gives another shell on the same secrets', async () => {
    await using volumes = await Volumes.create();
    await using container = await Container.start({ flags: volumes.mayMount, environment: BY_FILE, command: WAIT });
    await container.waitForOutput(/^ready$/);
    using shell = await EngineTerminal.open(['exec', '-u', 'tazpod', '-it', container.name, 'bash']);
    await shell.terminal.screen.waitFor('$ ');
    await shell.line('id -un; cat ~/.aws/config', 'tazpod\r\n[default]\r\n');
    await shell.line('echo opened >$(tty)', 'opened\r\n');
    await shell.line('grep CapEff /proc/$$/status', /CapEff:\t0+\r\n/);
    await shell.line('exit', 'exit');
    expect(await shell.ended).toBe(0);
    expect(await container.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ status: 0 });
  });

  test('by the engine itself, for the image’s health check, finds the container healthy', async () => {
    await using volumes = await Volumes.create();
    const since = Math.floor(Date.now() / 1000);
    await using container = await Container.start({
      // The image's own check, asked more often than every half minute.
      flags: [...volumes.mayMount, '--health-interval', '1s'],
      environment: BY_FILE,
      command: WAIT,
    });
    const filters = ['--filter', `container=${container.name}`, '--filter', 'event=health_status'];
    const events = execa('docker', ['events', '--since', String(since), ...filters, '--format', '{{.Action}}'], {
      reject: false,
    });
    for await (const line of events) {
      expect(line).toBe('health_status: healthy');
      events.kill();
      break;
    }
    expect(await container.inspect('.State.Health.Status')).toBe('healthy');
    expect((await docker(['ps', '--filter', `name=${container.name}`, '--format', '{{.Status}}'])).stdout).toContain(
      '(healthy)',
    );
  });
});
