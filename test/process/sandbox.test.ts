// The harness itself, against an init that is known: what it reports must be what happened.
// The same rows run on our own init, once it is built.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, watch } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { PROJECT } from '../../sandbox/container.ts';
import { Output } from '../support/output.ts';
import { fixture, INITS, Sandbox } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';

const ours = [INITS.ours, '--'];
const inits = [
  { name: 'tini', init: [INITS.tini, '-s', '--'] },
  ...(existsSync(join(PROJECT, 'dist/tazpod-entrypoint')) ? [{ name: 'tazpod-entrypoint', init: ours }] : []),
];

/** The environment of a container that has nothing to unlock. */
const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', TAZPOD_UNLOCK: 'never' };

describe.each(inits)('$name as PID 1 of a sandbox', ({ init }) => {
  test('is process 1, and its exit status comes out', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start([...init, 'sh', '-c', 'tr "\\0" " " </proc/1/cmdline; exit 7'], {
      environment,
    });
    expect(await running.exited).toEqual({ code: 7, signal: null });
    expect(await running.stdout.whole()).toContain(init[0]);
  });

  test('forwards TERM that is sent from the machine, and every signal that is sent from inside', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start([...init, fixture('signal-printer')], {
      environment: { ...environment, TAZPOD_STOP_TIMEOUT: 'off' },
    });
    await running.stdout.waitFor('ready\n');
    running.signal('SIGTERM');
    await running.stdout.waitFor(/^15\n/);
    for (const signal of [1, 10, 34, 64]) {
      await running.signalInside(signal);
      await running.stdout.waitFor(new RegExp(`^${signal}\n`));
    }
    running.signal('SIGKILL');
    expect(await running.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('has the terminal as its own: keys reach the command, and its modes can be read', async () => {
    await using sandbox = await Sandbox.create();
    using terminal = await Terminal.open({ columns: 100, rows: 30 });
    const before = await terminal.modes();
    const running = await sandbox.start(
      [...init, 'sh', '-c', 'trap "echo interrupted; exit 3" INT; tty; stty size; sleep infinity & wait'],
      {
        environment,
        terminal,
      },
    );
    await terminal.screen.waitFor(terminal.path);
    await terminal.screen.waitFor('30 100\r\n');
    terminal.type(KEYS.ctrlC);
    await terminal.screen.waitFor('interrupted');
    expect(await running.exited).toEqual({ code: 3, signal: null });
    expect(await terminal.modes()).toBe(before);
    await terminal.ended();
  });

  test('ends when its terminal hangs up', async () => {
    await using sandbox = await Sandbox.create();
    using terminal = await Terminal.open();
    const running = await sandbox.start([...init, 'sh', '-c', 'echo ready; exec sleep infinity'], {
      environment,
      terminal,
    });
    await terminal.screen.waitFor('ready');
    terminal.hangUp();
    expect(await running.exited).toEqual({ code: 129, signal: null });
  });
});

describe('a sandbox', () => {
  test('passes arguments, environment and descriptors as bytes, and nothing else', async () => {
    await using sandbox = await Sandbox.create();
    const file = openSync('/dev/zero', 'r');
    const odd = Buffer.from([0x27, 0x22, 0x24, 0x80, 0x81, 0x88, 0xff, 0x0a, 0x5c]);
    const running = await sandbox.start([fixture('print-state'), '', odd, ' '], {
      environment: { PATH: '/usr/bin:/bin', '': 'empty name', 'odd name.': "it's", EMPTY: '' },
      rawEnvironment: [Buffer.concat([odd, Buffer.from('='), odd])],
      descriptors: [file],
      stdin: 'closed',
      directory: '/var/tmp',
    });
    closeSync(file);
    const sections = await running.stdout.whole();
    const section = (name: string) => new RegExp(`^== ${name}\n([^=]*)`, 'm').exec(sections)?.[1]?.trim() ?? '';
    expect(Buffer.from(section('arguments'), 'hex').toString('latin1')).toBe(
      `/bin/sh\0${fixture('print-state')}\0\0${odd.toString('latin1')}\0 \0`,
    );
    const variables = Buffer.from(section('environment'), 'hex').toString('latin1').split('\0');
    expect(variables.sort()).toEqual(
      [
        '',
        'PATH=/usr/bin:/bin',
        '=empty name',
        "odd name.=it's",
        'EMPTY=',
        `${odd.toString('latin1')}=${odd.toString('latin1')}`,
      ].sort(),
    );
    expect(section('descriptors').split('\n')).toEqual([
      expect.stringMatching(/^1 pipe:/),
      expect.stringMatching(/^2 pipe:/),
      '3 /dev/zero',
    ]);
    expect(section('directory')).toBe('/var/tmp');
  });

  test('is entered as by `docker exec`, with the capabilities of a container and the accounts of the image', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start([INITS.tini, '-s', '--', fixture('ignore-term')]);
    await running.stdout.waitFor('ready');
    const asOperator = await running.exec(['sh', '-c', 'id; cat; touch /etc/x; echo kept >/workspace/note'], {
      user: 1000,
      input: 'typed in\n',
    });
    expect(asOperator.stdout).toBe('uid=1000(tazpod) gid=1000(tazpod) groups=1000(tazpod)\ntyped in');
    expect(asOperator.stderr).toContain('Read-only file system');
    expect(await running.exec(['sh', '-c', 'exit 9'])).toMatchObject({ code: 9, signal: null });
    const status = await readFile(`/proc/${running.pid}/status`, 'utf8');
    // Docker's default set and SYS_ADMIN.
    expect(status).toContain('CapBnd:\t00000000a82425fb');
    expect((await running.mounts()).find(({ point }) => point === '/usr')?.options).toContain('ro');
    expect(await readFile(join(sandbox.bundle.workspace, 'note'), 'utf8')).toBe('kept\n');
    expect(await readdir(running.rootPath('/home'))).toEqual(['tazpod']);
  });

  test('keeps what was written for the next start, and leaves nothing behind', async () => {
    let directory: string;
    {
      await using sandbox = await Sandbox.create();
      ({ directory } = sandbox.bundle);
      const first = await sandbox.start(['/bin/sh', '-c', 'echo here >/home/tazpod/file; mount -t tmpfs memory /mnt']);
      expect(await first.exited).toEqual({ code: 0, signal: null });
      const second = await sandbox.start([INITS.tini, '-s', '--', 'cat', '/home/tazpod/file', '-'], { stdin: 'pipe' });
      await second.stdout.waitFor('here\n');
    }
    expect(existsSync(directory)).toBe(false);
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(directory);
  });

  test('says what went wrong when its root cannot be made', async () => {
    await using sandbox = await Sandbox.create();
    await expect(sandbox.start(['/bin/true'], { prepare: 'cd /nowhere' })).rejects.toThrow(
      /cannot make the container's root in .*can't cd to \/nowhere/s,
    );
  });

  test('ends, and is removed, when the process that started it is killed', async () => {
    const start = spawn(process.execPath, [fixture('sandbox-left-behind.ts')], { stdio: ['ignore', 'pipe', 'ignore'] });
    const output = new Output(start.stdout);
    const [, directory = ''] = await output.waitFor(/^(.+)\nready\n/);
    const removal = watch(directory);
    start.kill('SIGKILL');
    // PID 1 held the pipe, too.
    await output.whole();
    while (existsSync(directory)) await once(removal, 'change');
    removal.close();
    expect(output.text).toBe(`${directory}
ready
`);
  });

  test('lets an orphan storm be reaped', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start([INITS.tini, '-s', '--', fixture('make-orphans'), '500'], { stdin: 'pipe' });
    await running.stdout.waitFor('made 500\n');
    running.stdin.end();
    expect(await running.exited).toEqual({ code: 23, signal: null });
  });
});
