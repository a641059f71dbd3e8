// On a terminal (`docker run -it`): the command has it, alone, as it would have it without an init (credentials(7), tty_ioctl(4)).

import { expect, test } from 'vitest';

import { ALL, describeInits, LIKE_TINI, type Init } from '../support/inits.ts';
import { fixture, Sandbox, type Running } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';

/** What no shell has a reason to say. */
const COMPLAINT = /job control|process group|ioctl|no tty|terminal/i;
const PROMPT = 'at-your-service> ';

const SHELLS = [
  { shell: 'bash', command: ['bash', '--norc', '--noprofile', '-i'] },
  { shell: 'zsh', command: ['zsh', '-f', '-i'] },
  { shell: 'dash', command: ['dash', '-i'] },
] as const;

describeInits(ALL, (init) => {
  test('lets Ctrl-C, Ctrl-\\ and Ctrl-Z reach the command, once each', async () => {
    await using sandbox = await Sandbox.create();
    using terminal = await Terminal.open();
    await terminal.setModes('-echo');
    const running = await start(sandbox, init, [fixture('signal-printer')], terminal);
    await terminal.screen.waitFor('ready\r\n');
    for (const [key, signal] of [
      [KEYS.ctrlC, 2],
      [KEYS.ctrlBackslash, 3],
      [KEYS.ctrlZ, 20],
    ] as const) {
      terminal.type(key);
      await terminal.screen.waitFor(`${signal}\r\n`);
    }
    expect(await receivedOn(terminal, running)).toEqual([2, 3, 20]);
  });

  test('lets SIGWINCH reach the command, once for each new size', async () => {
    await using sandbox = await Sandbox.create();
    using terminal = await Terminal.open({ columns: 80, rows: 24 });
    const running = await start(sandbox, init, [fixture('signal-printer')], terminal);
    await terminal.screen.waitFor('ready\r\n');
    for (const rows of [30, 40, 50]) {
      terminal.resize({ columns: 80, rows });
      await terminal.screen.waitFor('28\r\n');
    }
    expect(await receivedOn(terminal, running)).toEqual([28, 28, 28]);
  });
});

describeInits(LIKE_TINI, (init) => {
  test('puts the command in a process group of its own, in the foreground, in its own session', async () => {
    await using sandbox = await Sandbox.create();
    using terminal = await Terminal.open();
    const groups = 'printf "%s %s\\n", getpgrp() == $$, POSIX::tcgetpgrp(0) == $$; system "ps -o sid= -p $$"';
    await start(sandbox, init, ['perl', '-MPOSIX', '-e', `$| = 1; ${groups}`], terminal);
    expect(await terminal.ended()).toMatch(/1 1\r\n +1\r\n$/);
  });

  test.each(SHELLS)('gives $shell job control, without a warning', async ({ command }) => {
    await using sandbox = await Sandbox.create();
    using terminal = await Terminal.open();
    const running = await start(sandbox, init, command, terminal);
    // What is typed is echoed: a quote in the middle tells it from what is printed.
    const job = `perl -e '$| = 1; $SIG{CONT} = sub { print "job-", "on\\n" }; print "job-", "runs\\n"; sleep while 1'${KEYS.enter}`;
    const interrupt = async (): Promise<void> => {
      terminal.type(KEYS.ctrlC);
      await terminal.screen.waitFor(PROMPT);
      terminal.type(`echo sta"tus" $?${KEYS.enter}`);
      await terminal.screen.waitFor('status 130');
      await terminal.screen.waitFor(PROMPT);
    };
    await terminal.screen.waitFor(PROMPT);
    terminal.type(job);
    await terminal.screen.waitFor('job-runs');
    await interrupt();
    terminal.type(job);
    await terminal.screen.waitFor('job-runs');
    terminal.type(KEYS.ctrlZ);
    await terminal.screen.waitFor(/stopped|suspended/i);
    await terminal.screen.waitFor(PROMPT);
    terminal.type(`fg${KEYS.enter}`);
    // It has the terminal before it is told to go on.
    await terminal.screen.waitFor('job-on');
    await interrupt();
    terminal.type(`exit 3${KEYS.enter}`);
    expect(await running.exited).toEqual({ code: 3, signal: null });
    expect(await terminal.ended()).not.toMatch(COMPLAINT);
  });

  test('says what it has to say in the background of a terminal that stops background output', async () => {
    await using sandbox = await Sandbox.create();
    using terminal = await Terminal.open();
    await terminal.setModes('tostop');
    // With -w it tells of each orphan. The command waits until that was seen.
    const orphan = ['sh', '-c', '(sleep 0 &); read -r line; echo "$line"; exit 4'];
    const running = await start(sandbox, init, orphan, terminal, ['-w']);
    await terminal.screen.waitFor(/reaped/i);
    terminal.type(`go on${KEYS.enter}`);
    expect(await running.exited).toEqual({ code: 4, signal: null });
    expect(await terminal.ended()).toMatch(/go on\r\n[^]*go on\r\n/);
  });

  test.each([
    { what: 'ends by it', trap: '-', expected: 129 },
    { what: 'makes another status of it', trap: '"exit 5"', expected: 5 },
  ])('passes a hangup of the terminal on to the command, which $what', async ({ trap, expected }) => {
    await using sandbox = await Sandbox.create();
    using terminal = await Terminal.open();
    const command = ['sh', '-c', `trap ${trap} HUP; echo ready; sleep infinity & wait`];
    const running = await start(sandbox, init, command, terminal);
    await terminal.screen.waitFor('ready');
    terminal.hangUp();
    expect(await running.exited).toEqual({ code: expected, signal: null });
  });

  test('leaves the terminal’s modes as they were, or as the command left them', async () => {
    await using sandbox = await Sandbox.create();
    using terminal = await Terminal.open();
    await terminal.setModes('-echoctl', 'intr', '^X');
    const before = await terminal.modes();
    const first = await start(sandbox, init, ['true'], terminal);
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(await terminal.modes()).toBe(before);
    const second = await start(sandbox, init, ['sh', '-c', 'stty raw -echo; stty -g'], terminal);
    expect(await second.exited).toEqual({ code: 0, signal: null });
    const modes = await terminal.modes();
    expect(modes).not.toBe(before);
    expect(await terminal.ended()).toContain(modes);
  });
});

function start(
  sandbox: Sandbox,
  init: Init,
  command: readonly string[],
  terminal: Terminal,
  flags: readonly string[] = [],
): Promise<Running> {
  const environment = { ...init.options.environment, PS1: PROMPT, TERM: 'dumb', TAZPOD_LOG_FORMAT: 'pretty' };
  return sandbox.start(init.line(command, flags), { ...init.options, environment, terminal });
}

/** What signal-printer has received in all; two signals that it gets from PID 1 end the list. */
async function receivedOn({ screen }: Terminal, running: Running): Promise<number[]> {
  const last = 64;
  for (let count = 0; count < 2; count++) {
    running.signal(last);
    await screen.waitFor(`${last}\r\n`);
  }
  const [, text = ''] = screen.text.split('ready\r\n');
  const printed = text.trimEnd().split('\r\n').map(Number);
  expect(printed.slice(-2)).toEqual([last, last]);
  return printed.slice(0, -2);
}
