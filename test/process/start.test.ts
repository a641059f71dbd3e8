// `npm start` as a person and as a CI job meet it: the shell on a terminal, the demonstration without, a command of one's own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, expect, test } from 'vitest';

import { buildExecutable } from '../../build/executable.ts';
import { PROJECT } from '../../sandbox/container.ts';
import { KEYS, Terminal } from '../support/terminal.ts';

const START = [process.execPath, '--disable-warning=ExperimentalWarning', join(PROJECT, 'sandbox/main.ts')] as const;
const PATIENCE = { timeout: 60_000 };

// `npm start` builds what is missing; that is not what is waited for here.
beforeAll(async () => {
  await buildExecutable();
}, 120_000);

test('without a terminal it shows the unlocked vault, stops the container, and finds it locked', PATIENCE, async () => {
  const { exitCode, stdout } = await execa(START[0], START.slice(1), { stdin: 'ignore', reject: false });
  expect(stdout).toMatch(/aws_access_key_id = \w+EXAMPLE/);
  expect(stdout).toMatch(/^ended with status 143/m);
  expect(stdout).toMatch(/^locked:/m);
  expect(exitCode).toBe(0);
});

test('runs a command instead, through pipes, and passes on its exit status', PATIENCE, async () => {
  const command = ['sh', '-c', 'cat; cat ~/.aws/credentials >&2; exit 5'];
  const { exitCode, stdout, stderr } = await execa(START[0], [...START.slice(1), ...command], {
    input: 'typed',
    reject: false,
  });
  expect(stdout).toBe('typed');
  expect(stderr).toMatch(/EXAMPLE/);
  expect(exitCode).toBe(5);
});

test('a TERM for it ends the container as a stop does', PATIENCE, async () => {
  const start = execa(START[0], [...START.slice(1), 'sh', '-c', 'echo ready; exec sleep infinity'], { reject: false });
  for await (const line of start) {
    if (line === 'ready') start.kill('SIGTERM');
  }
  const { exitCode, stderr } = await start;
  expect(exitCode).toBe(143);
  expect(stderr).toContain('vault locked');
});

test(
  'on a terminal it is a shell: Ctrl-C stays in it, it has the window, and the terminal is as it was',
  PATIENCE,
  async () => {
    using terminal = await Terminal.open({ columns: 120, rows: 40 });
    const before = await terminal.modes();
    const { slave } = terminal;
    // setsid(1) makes the terminal the controlling one, as a login does.
    const start = spawn('setsid', ['-c', '-w', ...START], { stdio: [slave, slave, slave] });
    const ended = once(start, 'exit');

    await terminal.screen.waitFor('$ ');
    // Whatever the moment in which the key is pressed: the trap is set before the word appears, and `sleep` is not in its way.
    terminal.type(`sh -c 'trap "echo went on; exit" INT; echo wait\\ing; sleep infinity & wait'\r`);
    await terminal.screen.waitFor('waiting\r\n');
    terminal.type(KEYS.ctrlC);
    await terminal.screen.waitFor('went on\r\n');
    terminal.type('stty size\r');
    await terminal.screen.waitFor('40 120\r\n');
    terminal.type(`sh -c 'trap "stty size; exit" WINCH; echo arm\\ed; sleep infinity & wait'\r`);
    await terminal.screen.waitFor('armed\r\n');
    terminal.resize({ columns: 100, rows: 33 });
    await terminal.screen.waitFor('33 100\r\n');
    terminal.type('exit\r');
    await terminal.screen.waitFor('the vault is locked');

    expect(await ended).toEqual([0, null]);
    expect(await terminal.modes()).toBe(before);
  },
);
