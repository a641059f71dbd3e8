// `tazpod run`: a command with the vault unlocked, through pipes and on a terminal; whatever ends the command the vault is as it
// was before, locked and saved, or unlocked.

import { chown, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { BRIDGE_TARGET, ENCLAVE } from '../../lib/paths.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { createPod, NOTHING, processesOf, SECRET_FILE, startPod, traces, wordsInMemory } from '../support/pod.ts';
import { ENVIRONMENT, type ExecResult, type Running, type Sandbox } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { CONTENTS, defaultVault, PASSPHRASE, placeVault, savedContents, vaultPath } from '../support/vault.ts';

const GIVEN = ['--passphrase-file', SECRET_FILE];
const CREDENTIALS = CONTENTS['.aws/credentials'].trimEnd();

// One container for all of them, locked at the beginning of each.
let pod: Sandbox;
let running: Running;

beforeAll(async () => {
  pod = await createPod();
  // What is written to the pipe comes out here: how processes inside say that they are ready.
  running = await startPod(pod, ['sh', '-c', 'mkfifo -m 666 /tmp/news; exec 4<>/tmp/news; echo ready; cat <&4'], {
    secret: PASSPHRASE,
  });
  await running.stdout.waitFor('ready');
  await shell('echo wrong >/tmp/wrong');
});

beforeEach(async () => {
  await tazpod(['lock', '--discard']);
  await placeVault(pod.bundle, await defaultVault());
});

afterAll(async () => {
  await pod[Symbol.asyncDispose]();
});

interface Setting {
  readonly input?: string;
  readonly variables?: Readonly<Record<string, string>>;
}

async function tazpod(words: readonly string[], { input = '', variables = {} }: Setting = {}): Promise<ExecResult> {
  // In a session of its own: without a controlling terminal, whatever the tests have.
  const command = ['setsid', '--wait', 'tazpod', ...words];
  return await running.exec(command, { user: OPERATOR_ID, input, environment: { ...ENVIRONMENT, ...variables } });
}

/** Runs a shell script by `tazpod run`. */
function runShell(script: string, ...words: string[]): Promise<ExecResult> {
  return tazpod(['run', ...GIVEN, ...words, '--', 'sh', '-c', script]);
}

async function shell(script: string, user = OPERATOR_ID): Promise<string> {
  const { code, stdout, stderr } = await running.exec(['sh', '-ec', script], { user });
  if (code !== 0) throw new Error(`"${script}" failed: ${stderr}`);
  return stdout;
}

async function expectLocked(): Promise<void> {
  // Which has its turn when nothing is left to be undone.
  expect(await tazpod(['save'])).toMatchObject({ code: 18 });
  expect(await traces(pod, running)).toEqual(NOTHING);
}

const isUnlocked = async (): Promise<boolean> => (await tazpod(['status', '--unlocked'])).code === 0;

describe('a command', () => {
  test('has the secrets while it runs; afterwards what it changed is saved, and they are gone', async () => {
    const { code, stdout, stderr } = await runShell(`cat ${BRIDGE_TARGET}/credentials; echo more >${ENCLAVE}/more`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: CREDENTIALS });
    expect(stderr).toMatch(/^tazpod: unlocked: .*\ntazpod: saved: .*\ntazpod: locked$/);
    await expectLocked();
    expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, more: 'more\n' });
  });

  test('leaves unlocked what was unlocked before, and is told of nothing', async () => {
    await tazpod(['unlock', ...GIVEN]);
    expect(await tazpod(['run', '--', 'cat', `${BRIDGE_TARGET}/credentials`])).toEqual({
      code: 0,
      signal: null,
      stdout: CREDENTIALS,
      stderr: '',
    });
    expect(await isUnlocked()).toBe(true);
  });

  test('has the standard streams, the directory and the umask of the caller', async () => {
    const script = `cd /var/tmp; umask 027; tazpod run ${GIVEN.join(' ')} -q -- sh -c 'cat; pwd; umask; echo err >&2'`;
    const result = await running.exec(['setsid', '--wait', 'sh', '-c', script], {
      user: OPERATOR_ID,
      input: 'typed\n',
    });
    expect(result).toEqual({ code: 0, signal: null, stdout: 'typed\n/var/tmp\n0027', stderr: 'err' });
  });

  test('gets its words as they are, options too, with and without "--"', async () => {
    for (const words of [['--'], []]) {
      const { stdout } = await tazpod([
        'run',
        ...GIVEN,
        '-q',
        ...words,
        'printf',
        '<%s>',
        '--json',
        '-q',
        '--',
        '',
        'a b',
      ]);
      expect(stdout).toBe('<--json><-q><--><><a b>');
    }
  });

  test('does not get the passphrase that a variable gave', async () => {
    const { code, stdout } = await tazpod(['run', '-q', '--', 'env'], { variables: { TAZPOD_PASSPHRASE: PASSPHRASE } });
    expect(code).toBe(0);
    expect(stdout).toContain('PATH=');
    expect(stdout).not.toContain(PASSPHRASE);
  });

  test('finds programs in the vault', async () => {
    await runShell(`printf '#!/bin/sh\\necho from the vault\\n' >${ENCLAVE}/tool; chmod 700 ${ENCLAVE}/tool`);
    expect((await tazpod(['run', ...GIVEN, '--', `${ENCLAVE}/tool`])).stdout).toBe('from the vault');
  });

  test('may lock by itself, and unlock again: then that stays', async () => {
    expect(await runShell('tazpod lock; exit 3')).toMatchObject({ code: 3 });
    await expectLocked();
    expect(await runShell(`tazpod lock; tazpod unlock ${GIVEN.join(' ')}; exit 4`)).toMatchObject({ code: 4 });
    expect(await isUnlocked()).toBe(true);
  });
});

describe('the status', () => {
  const rows: { name: string; command: string[]; code: number; says?: string }[] = [
    { name: 'is the command’s', command: ['sh', '-c', 'exit 5'], code: 5 },
    { name: 'is 128+n after signal n', command: ['sh', '-c', 'kill -TERM $$'], code: 143 },
    { name: 'is 128+n after SIGKILL', command: ['sh', '-c', 'kill -KILL $$'], code: 137 },
    {
      name: 'is 127 where there is no such command',
      command: ['no-such-command'],
      code: 127,
      says: 'cannot run no-such-command: no such command',
    },
    {
      name: 'is 126 where it is no program',
      command: ['/etc/passwd'],
      code: 126,
      says: 'cannot run /etc/passwd: permission denied',
    },
  ];

  test.each(rows)('$name, and the vault is locked', async ({ command, code, says = 'tazpod: locked' }) => {
    expect(await tazpod(['run', ...GIVEN, '--', ...command])).toMatchObject({
      code,
      stderr: expect.stringContaining(says),
    });
    await expectLocked();
  });

  test('is that of a failed unlock, and the command does not run', async () => {
    const words = ['run', '--passphrase-file', '/tmp/wrong', '--', 'echo', 'it ran'];
    expect(await tazpod(words)).toMatchObject({
      code: 12,
      stdout: '',
      stderr: expect.stringContaining('wrong passphrase'),
    });
    expect(await tazpod(['run', 'echo', 'it ran'])).toMatchObject({ code: 11, stdout: '' });
    await expectLocked();
  });

  test('is that of a save that fails: the vault stays unlocked, and the message says what to do', async () => {
    const directory = dirname(vaultPath(pod.bundle));
    await chown(directory, 0, 0);
    try {
      const { code, stdout, stderr } = await runShell(`echo more >${ENCLAVE}/more; exit 5`, '--json');
      expect({ code, stderr }).toEqual({ code: 15, stderr: '' });
      expect(JSON.parse(stdout)).toMatchObject({ code: 'save-failed', status: 5, unlocked: true, locked: false });
      expect(await isUnlocked()).toBe(true);
    } finally {
      await chown(directory, OPERATOR_ID, OPERATOR_ID);
    }
    await tazpod(['lock']);
    expect(await savedContents(pod.bundle)).toMatchObject({ more: 'more\n' });
  });

  test('is 13 where something cannot be saved', async () => {
    expect(await runShell(`mkfifo ${ENCLAVE}/pipe`)).toMatchObject({
      code: 13,
      stderr: expect.stringMatching(/pipe is left out[^]*still unlocked; "tazpod lock --discard"/),
    });
  });

  test.each([
    { words: ['run'], says: 'without COMMAND' },
    { words: ['run', '--'], says: 'without COMMAND' },
    { words: ['run', '--', ''], says: 'without COMMAND' },
    { words: ['run', '--loud', '--', 'true'], says: '--loud' },
    { words: ['run', 'echo', '\uFFFD'], says: 'it is not UTF-8' },
  ])('is 2 for $words', async ({ words, says }) => {
    expect(await tazpod(words)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(says) });
  });
});

describe('through pipes a signal to tazpod', () => {
  test.each(['TERM', 'INT', 'QUIT', 'HUP', 'USR2'])('%s ends the command, and the vault is locked', async (signal) => {
    const { pid, ended } = await start(`$SIG{INT} = $SIG{QUIT} = "DEFAULT"; ${SAY_SET} sleep 1 while 1`);
    await shell(`kill -${signal} ${pid}`);
    const numbers: Record<string, number> = { HUP: 1, INT: 2, QUIT: 3, USR2: 12, TERM: 15 };
    expect(await ended).toMatchObject({
      code: 128 + (numbers[signal] ?? 0),
      stderr: expect.stringContaining('tazpod: locked'),
    });
    await expectLocked();
  });

  test('reaches a command that handles it once, which then ends as it likes', async () => {
    const count = `$SIG{TERM} = sub { $got++; syswrite $news, "got\\n" }; $SIG{USR2} = sub { print "$got times"; exit 7 };`;
    const { pid, ended } = await start(`our $news; ${count} ${SAY_SET} sleep 1 while 1`);
    await shell(`kill -TERM ${pid}`);
    await running.stdout.waitFor('got\n');
    await shell(`kill -USR2 ${pid}`);
    expect(await ended).toMatchObject({ code: 7, stdout: '1 times' });
    await expectLocked();
  });

  test('that comes while it waits to unlock ends it at once, and nothing runs', async () => {
    await shell('mkfifo -m 600 /tmp/slow');
    const line = 'echo pid $$ >/tmp/news; exec tazpod run --passphrase-file /tmp/slow -- echo it ran';
    const ended = running.exec(['setsid', '--wait', 'sh', '-c', line], { user: OPERATOR_ID });
    const [, pid = ''] = await running.stdout.waitFor(/pid (\d+)\n/);
    // It reads the passphrase when the pipe has somebody to write: then its handlers are there. Nothing is written.
    await shell(`exec 3>/tmp/slow; kill -TERM ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.02; done`);
    expect(await ended).toMatchObject({ code: 143, stdout: '' });
    await expectLocked();
  });
});

describe('on a terminal', () => {
  test('it asks, the command has the terminal, and the screen shows no passphrase', async () => {
    using terminal = await Terminal.open();
    const modes = await terminal.modes();
    const ended = onTerminal(terminal, ['tazpod', 'run', '--', 'sh', '-c', 'tty; stty -a | grep -c -w echo; exit 6']);
    await answer(terminal, PASSPHRASE);
    await terminal.screen.waitFor(`${terminal.path}\r\n1\r\n`);
    expect(await ended).toMatchObject({ code: 6 });
    expect(await terminal.modes()).toBe(modes);
    expect(await terminal.ended()).toMatch(/^Passphrase: \r\ntazpod: unlocked: [^]*tazpod: locked\r\n$/);
    await expectLocked();
  });

  test('Ctrl-C is the command’s, which gets it once; then the vault is locked', async () => {
    using terminal = await Terminal.open();
    const script =
      '$| = 1; $SIG{INT} = sub { $got++; print "got\\n" }; print "set\\n"; <STDIN>; print "$got times\\n"; exit 9';
    const ended = onTerminal(terminal, ['tazpod', 'run', '--', 'perl', '-e', script]);
    await answer(terminal, PASSPHRASE);
    await terminal.screen.waitFor('set\r\n');
    terminal.type(KEYS.ctrlC);
    await terminal.screen.waitFor('got\r\n');
    terminal.type(KEYS.enter);
    await terminal.screen.waitFor('1 times\r\n');
    expect(await ended).toMatchObject({ code: 9 });
    await expectLocked();
  });

  test('Ctrl-C ends a command that leaves it at that: 130', async () => {
    using terminal = await Terminal.open();
    const ended = onTerminal(terminal, ['tazpod', 'run', '--', 'sh', '-c', 'echo set; exec sleep infinity']);
    await answer(terminal, PASSPHRASE);
    await terminal.screen.waitFor('set\r\n');
    terminal.type(KEYS.ctrlC);
    expect(await ended).toMatchObject({ code: 130 });
    await expectLocked();
  });

  test('a shell has its jobs: Ctrl-C in it is not the end of it', async () => {
    using terminal = await Terminal.open();
    const ended = onTerminal(terminal, ['tazpod', 'run', '--', 'bash', '--norc', '-i']);
    await answer(terminal, PASSPHRASE);
    await terminal.screen.waitFor('$ ');
    terminal.type(`sh -c 'echo wait\\ing; exec sleep infinity'\r`);
    await terminal.screen.waitFor('waiting\r\n');
    terminal.type(KEYS.ctrlC);
    await terminal.screen.waitFor('$ ');
    terminal.type('echo $?; exit 8\r');
    await terminal.screen.waitFor('130\r\n');
    expect(await ended).toMatchObject({ code: 8 });
    await expectLocked();
  });

  test('the window closed: the command gets SIGHUP, and the vault is saved and locked', async () => {
    using terminal = await Terminal.open();
    const script = `echo more >${ENCLAVE}/more; echo set; exec sleep infinity`;
    const ended = onTerminal(terminal, ['tazpod', 'run', '--', 'sh', '-c', script]);
    await answer(terminal, PASSPHRASE);
    await terminal.screen.waitFor('set\r\n');
    terminal.hangUp();
    await ended;
    await shell('while tazpod status --unlocked >/dev/null; do sleep 0.05; done');
    await expectLocked();
    expect(await savedContents(pod.bundle)).toMatchObject({ more: 'more\n' });
  });

  test.each([
    { name: 'Ctrl-C', keys: KEYS.ctrlC, signal: '0', code: 130 },
    { name: 'SIGTERM', keys: '', signal: 'TERM', code: 143 },
  ])('$name at the question: nothing runs, the modes are as they were: $code', async ({ keys, signal, code }) => {
    using terminal = await Terminal.open();
    const modes = await terminal.modes();
    const ended = onTerminal(terminal, ['sh', '-c', 'echo pid $$ >/tmp/news; exec tazpod run -- echo "it" ran']);
    const [, pid = ''] = await running.stdout.waitFor(/pid (\d+)\n/);
    await terminal.screen.waitFor('Passphrase: ');
    await shell(`kill -${signal} ${pid}`);
    terminal.type(keys);
    expect(await ended).toMatchObject({ code });
    expect(await terminal.modes()).toBe(modes);
    expect(await terminal.ended()).not.toContain('it ran');
    await expectLocked();
  });
});

test('while the command runs tazpod does not have the passphrase in its memory', async () => {
  const { pid, ended } = await start(`${SAY_SET} sleep 1 while 1`);
  const processes = await Promise.all(
    (await processesOf(running)).map(async (process) => ({
      process,
      words: await readFile(`/proc/${process}/cmdline`, 'utf8'),
    })),
  );
  const [tool] = processes.filter(({ words }) => words.startsWith('tazpod\0run\0'));
  expect(await wordsInMemory(tool?.process ?? 0, [PASSPHRASE])).toEqual([]);
  await shell(`kill ${pid}`);
  await ended;
});

const SAY_SET = 'open $news, ">", "/tmp/news"; syswrite $news, "set\\n";';

/** Starts `tazpod run` with a script of Perl, waits until that says that it is set, and gives the pid of tazpod. */
async function start(script: string): Promise<{ readonly pid: string; readonly ended: Promise<ExecResult> }> {
  const line = `echo pid $$ >/tmp/news; exec tazpod run ${GIVEN.join(' ')} -- perl -e '${script}'`;
  const ended = running.exec(['setsid', '--wait', 'sh', '-c', line], { user: OPERATOR_ID });
  const [, pid = ''] = await running.stdout.waitFor(/pid (\d+)\n/);
  await running.stdout.waitFor('set\n');
  return { pid, ended };
}

/** Runs a command on a terminal of the container, as its session's controlling one. */
async function onTerminal(terminal: Terminal, command: readonly string[]): Promise<ExecResult> {
  const script = 'exec "$@" <"$0" >"$0" 2>"$0"';
  await running.exec(['chown', String(OPERATOR_ID), terminal.path]);
  return await running.exec(['setsid', '--wait', 'sh', '-c', script, terminal.path, ...command], { user: OPERATOR_ID });
}

async function answer(terminal: Terminal, typed: string): Promise<void> {
  await terminal.screen.waitFor('Passphrase: ');
  terminal.type(`${typed}${KEYS.enter}`);
}
