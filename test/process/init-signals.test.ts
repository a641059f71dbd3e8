// Forwarding: what is sent to PID 1 reaches the command, once for each time that the kernel delivered it (signal(7)).
// The command counts. Of signals that wait together the kernel delivers the lowest first: the highest, 64, ends a count.

import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { expect, test } from 'vitest';

import { errnoName } from '../../lib/errors.ts';
import { ALL, CATATONIT, describeInits, DUMB_INIT, LIKE_TINI, OURS, OURS_UNPRIVILEGED } from '../support/inits.ts';
import { createPod, startPod } from '../support/pod.ts';
import { fixture, Sandbox, type Running } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { PASSPHRASE } from '../support/vault.ts';

const { SIGABRT, SIGCONT, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP, SIGUSR1, SIGUSR2 } = constants.signals;
const LAST = 64;
/** Not KILL and STOP, faults, CHLD, the terminal's stops; and not glibc's own, 32 and 33. */
const NOT_FORWARDED = new Set([4, 5, 6, 7, 8, 9, 11, 17, 19, 21, 22, 31, 32, 33]);
const FORWARDED = Array.from({ length: LAST }, (_, index) => index + 1).filter((signal) => !NOT_FORWARDED.has(signal));
/** Real-time signals are queued, every one; of the others one is pending at most. */
const isQueued = (signal: number): boolean => signal >= 34;
const BURST = 1000;
/** What signal-group prints when it gets 12 and 40. */
const COMMAND = ['leader 12', 'leader 40'];
const GROUP = ['child 12', 'child 40', ...COMMAND];

describeInits(LIKE_TINI, (init) => {
  test('forwards every signal that it can catch, exactly once, from outside the container', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line([fixture('signal-printer')]), init.options);
    await running.stdout.waitFor('ready\n');
    for (const signal of FORWARDED) {
      running.signal(signal);
      await running.stdout.waitFor(new RegExp(`^${signal}\n`));
    }
    expect(await received(running, FORWARDED.slice(0, -1))).toEqual(FORWARDED);
  });

  test('forwards every signal that it can catch, exactly once, from inside the container', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line([fixture('signal-printer')]), init.options);
    await running.stdout.waitFor('ready\n');
    // TSTP would take a CONT that waits away, and so would CONT a TSTP (signal(7)).
    const atOnce = FORWARDED.filter((signal) => signal !== SIGTSTP);
    const commands = atOnce.map((signal) => `kill -${signal} 1`).join('; ');
    expect(await running.exec(['sh', '-c', commands])).toMatchObject({ code: 0, stderr: '' });
    // Of signals that wait together nobody promises the order: all of them must be there before the next is sent.
    await running.stdout.waitFor(new RegExp(atOnce.map((signal) => `(?=[^]*^${signal}\n)`).join(''), 'm'));
    await running.signalInside(SIGTSTP);
    await running.stdout.waitFor(new RegExp(`^${SIGTSTP}\n`, 'm'));
    expect(await received(running, FORWARDED.slice(0, -1))).toEqual(FORWARDED);
  });

  test('loses nothing of a burst of 1,000 signals that the kernel did not merge', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line([fixture('signal-printer')]), init.options);
    await running.stdout.waitFor('ready\n');
    const sent = Array.from({ length: BURST }, (_, index) => FORWARDED[index % FORWARDED.length] ?? LAST);
    for (const signal of sent) running.signal(signal);
    // A thread may have taken one and not told of it yet when others have told of the last: each that is queued is waited for.
    const merged = String.raw`(?:(?:[12]?\d|3[0-3])\n)*`;
    const count = sent.filter(isQueued).length;
    await running.stdout.waitFor(new RegExp(`^(?=${merged}(?:(?:3[4-9]|[456]\\d)\\n${merged}){${count}})`));
    // Of signals that wait together nobody promises the order: each thread of a program may take one, at the same time.
    const printed = (await printedInAll(running, sent)).sort((a, b) => a - b);
    const queued = [...sent, LAST, LAST].filter(isQueued).sort((a, b) => a - b);
    expect(printed.filter(isQueued)).toEqual(queued);
    expect([...new Set(printed), SIGCONT, SIGTSTP]).toEqual(expect.arrayContaining(FORWARDED));
  });

  test.each([
    { whom: 'the command alone', flags: [], variables: {}, expected: COMMAND },
    { whom: 'the command’s process group with -g', flags: ['-g'], variables: {}, expected: GROUP },
    {
      whom: 'the command’s process group with TINI_KILL_PROCESS_GROUP',
      flags: [],
      variables: { TINI_KILL_PROCESS_GROUP: '1' },
      expected: GROUP,
    },
  ])('sends to $whom', async ({ flags, variables, expected }) => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line([fixture('signal-group')], flags), {
      ...init.options,
      environment: { ...init.options.environment, ...variables },
    });
    const [, group] = await running.stdout.waitFor(/^ready (\d+)\n/);
    for (const signal of [SIGUSR2, 40]) {
      running.signal(signal);
      await running.stdout.waitFor(`leader ${signal}\n`);
    }
    // Both end their count, by a signal that no init has a part in.
    await running.exec(['/bin/kill', `-${LAST}`, '--', `-${group}`]);
    await running.stdout.waitFor(new RegExp(`(?:(?:leader|child) ${LAST}\n[^]*){2}`));
    const lines = running.stdout.text.trimEnd().split('\n').slice(1);
    expect(lines.filter((line) => !line.endsWith(` ${LAST}`)).sort()).toEqual(expected);
  });

  test('is not changed by ABRT, TRAP and SYS, which reach nobody', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line([fixture('signal-printer')]), init.options);
    await running.stdout.waitFor('ready\n');
    const before = caughtSignals(running);
    for (const signal of [SIGABRT, SIGTRAP, SIGSYS]) running.signal(signal);
    expect(await running.exec(['sh', '-c', 'kill -ABRT 1; kill -TRAP 1; kill -SYS 1'])).toMatchObject({ code: 0 });
    expect(await received(running, [])).toEqual([]);
    expect(caughtSignals(running)).toEqual(before);
  });
});

describeInits([DUMB_INIT, CATATONIT], (init) => {
  test('forwards every signal that it can catch, but TSTP', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line([fixture('signal-printer')]), init.options);
    await running.stdout.waitFor('ready\n');
    const forwarded = FORWARDED.filter((signal) => signal !== SIGTSTP);
    for (const signal of forwarded) {
      running.signal(signal);
      await running.stdout.waitFor(new RegExp(`^${signal}\n`));
    }
    expect(await received(running, forwarded.slice(0, -1))).toEqual(forwarded);
  });
});

describeInits(ALL, (init) => {
  test('ends with 143 when TERM ends the command', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line(['sh', '-c', 'echo ready; exec sleep infinity']), init.options);
    await running.stdout.waitFor('ready\n');
    running.signal(SIGTERM);
    expect(await running.exited).toEqual({ code: 128 + SIGTERM, signal: null });
  });
});

describeInits([OURS, OURS_UNPRIVILEGED], (init) => {
  test('opens no inspector at SIGUSR1, from the first moment on, and forwards it as soon as it listens', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line(['sleep', 'infinity']), init.options);
    let early = 0;
    const threads = new Set<string>();
    const listens = (): boolean => (caughtSignals(running) & (1n << BigInt(SIGUSR1 - 1))) !== 0n;
    try {
      for (; !listens(); early++) {
        running.signal(SIGUSR1);
        for (const name of threadNames(running)) threads.add(name);
      }
    } catch (error) {
      // The last of them was not too early: it was kept for the command, and the container has ended by it.
      if (errnoName(error) !== 'ENOENT' && errnoName(error) !== 'ESRCH') throw error;
    }
    expect(early).toBeGreaterThan(0);
    // A Node whose inspector can be opened has a thread that waits for the signal.
    expect([...threads].join()).not.toMatch(/inspector/i);
    running.signal(SIGUSR1);
    expect(await running.exited).toEqual({ code: 128 + SIGUSR1, signal: null });
    expect(await running.stderr.whole()).not.toContain('Debugger');
  });
});

test('a signal that comes at the passphrase prompt is kept for the command', async () => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const running = await startPod(pod, ['sleep', 'infinity'], { terminal });
  await terminal.screen.waitFor('Passphrase: ');
  running.signal(40);
  terminal.type(`${PASSPHRASE}${KEYS.enter}`);
  expect(await running.exited).toEqual({ code: 128 + 40, signal: null });
});

/** The signals that PID 1 catches, as a set of bits (proc_pid_status(5)). */
function caughtSignals({ pid }: Running): bigint {
  const mask = /^SigCgt:\t([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '0';
  return BigInt(`0x${mask}`);
}

function threadNames({ pid }: Running): string[] {
  const directory = `/proc/${pid}/task`;
  return readdirSync(directory).map((thread) => readFileSync(`${directory}/${thread}/comm`, 'latin1').trim());
}

/**
 * What signal-printer has received in all, but the two LAST that end the list, one after the other: had something been forwarded
 * twice, it would be there before the second.
 */
async function received(running: Running, sent: readonly number[]): Promise<number[]> {
  const printed = await printedInAll(running, sent);
  expect(printed.slice(-2)).toEqual([LAST, LAST]);
  return printed.slice(0, -2).sort((a, b) => a - b);
}

/** The signals in the order in which signal-printer saw them, with two more LAST, each sent when all before it should have come. */
async function printedInAll(running: Running, sent: readonly number[]): Promise<number[]> {
  running.signal(LAST);
  const lasts = sent.filter((signal) => signal === LAST).length + 1;
  await running.stdout.waitFor(new RegExp(`(?:^${LAST}\n[^]*?){${lasts}}`, 'm'));
  running.signal(LAST);
  await running.stdout.waitFor(new RegExp(`^${LAST}\n`, 'm'));
  return running.stdout.text.trimEnd().split('\n').slice(1).map(Number);
}
