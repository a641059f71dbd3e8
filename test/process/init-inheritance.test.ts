// What the command inherits is what the container was started with, not what an init made of it (execve(2)).
// The same program is run as PID 1 itself, with no init, to tell what that is.

import { expect, test } from 'vitest';

import type { Bytes } from '../../sandbox/launch.ts';
import { ALL, describeInits, LIKE_TINI, OURS, OURS_UNPRIVILEGED, type Init } from '../support/inits.ts';
import { fixture, Sandbox, type StartOptions } from '../support/sandbox.ts';

/** Every byte that an argument can hold, most of them no UTF-8 in this order. */
const ALL_BYTES = Buffer.from(Array.from({ length: 255 }, (_, index) => 255 - index));
/** What login(1) sets: ours names the operator in them. */
const ACCOUNT = /^(?:HOME|USER|LOGNAME|SHELL)=/;

describeInits(ALL, (init) => {
  test('passes arguments byte for byte: empty ones, spaces, what is not UTF-8, 100 kB', async () => {
    const args = ['', ' ', 'two words', '--help', '--', '*', ALL_BYTES, Buffer.alloc(100_000, 0xfe), ''];
    const { output } = await run(init, ['/usr/bin/perl', '-e', 'print map { "$_\\0" } @ARGV', '--', ...args]);
    expect(output.equals(Buffer.concat(args.map((arg) => Buffer.concat([Buffer.from(arg), Buffer.of(0)]))))).toBe(true);
  });

  test('passes the environment byte for byte, and obeys nothing of it', async () => {
    const odd = Buffer.from([0x80, 0xff, 0x0a, 0x27, 0x5c]);
    const given = {
      PATH: '/usr/bin:/bin',
      TAZPOD_UNLOCK: 'never',
      TAZPOD_STOP_TIMEOUT: 'off',
      HOME: '/root',
      EMPTY: '',
      '': 'empty name',
      'odd name.': "it's",
      'under_scör€': 'x',
      LONG: 'x'.repeat(100_000),
      // Each of these would make a Node that obeyed it say something, do something else, or fail.
      NODE_OPTIONS: '--require=/no/such/module --inspect',
      NODE_DEBUG: 'fs,net,module',
      NODE_DEBUG_NATIVE: 'mksnapshot',
      NODE_COMPILE_CACHE: '/no/such/directory',
      NODE_V8_COVERAGE: '/tmp/coverage',
      NODE_REPL_EXTERNAL_MODULE: '/no/such/module',
      NODE_EXTRA_CA_CERTS: '/no/such/file',
      NODE_ICU_DATA: '/no/such/directory',
      NODE_PENDING_DEPRECATION: '1',
      NODE_REDIRECT_WARNINGS: '/tmp/warnings',
      NODE_PENDING_PIPE_INSTANCES: '1',
      NODE_CHANNEL_FD: '0',
      NODE_UNIQUE_ID: '1',
      OPENSSL_CONF: '/no/such/file',
      SSL_CERT_FILE: '/no/such/file',
      UV_THREADPOOL_SIZE: '1024',
      UV_USE_IO_URING: '1',
    };
    const { output, stderr } = await run(init, ['/bin/cat', '/proc/self/environ'], {
      environment: given,
      rawEnvironment: [Buffer.concat([odd, Buffer.from('='), odd])],
    });
    const expected = Object.entries(given)
      .map(([name, value]) => `${name}=${value}`)
      .map((entry) => Buffer.from(entry).toString('latin1'))
      .concat(`${odd.toString('latin1')}=${odd.toString('latin1')}`);
    const received = output.toString('latin1').slice(0, -1).split('\0');
    const but = (list: string[]) => list.filter((entry) => !ACCOUNT.test(entry)).sort();
    expect(but(received)).toEqual(but(expected));
    expect(received.filter((entry) => ACCOUNT.test(entry))).toEqual(
      // As uid 1000 it is the operator, too.
      init.isOurs ? ['HOME=/home/tazpod', 'USER=tazpod', 'LOGNAME=tazpod', 'SHELL=/bin/bash'] : ['HOME=/root'],
    );
    // As uid 1000 it cannot make its control socket, and says so.
    expect(stderr).toMatch(init === OURS_UNPRIVILEGED ? /^\{.*no control socket.*\}\n$/ : /^$/);
  });

  // Beside NODE_REDIRECT_WARNINGS, above, the warning would be in a file.
  test('says nothing of what Node is asked to warn of', async () => {
    const environment = { ...init.options.environment, NODE_PENDING_DEPRECATION: '1' };
    const { stderr } = await run(init, ['/bin/true'], { environment });
    expect(stderr).not.toMatch(/warning/i);
  });

  test('passes the descriptors that the runtime passed, and none of its own', async () => {
    const direct = await runLine([...WITH_DESCRIPTORS, ...LIST_DESCRIPTORS], init.options);
    const passed = await runLine([...WITH_DESCRIPTORS, ...init.line(LIST_DESCRIPTORS)], init.options);
    expect(descriptors(direct)).toMatch(
      /^0 .*\n1 pipe\n2 pipe\n3 socket\n4 .*passwd\n5 \/dev\/null\n6 pipe\n7 pipe\n$/,
    );
    expect(descriptors(passed)).toBe(descriptors(direct));
  });

  test('passes descriptors 0 to 2 as they are', async () => {
    for (const [stdin, shown] of [['null', '/dev/null'] as const, ['pipe', 'pipe'] as const]) {
      expect(descriptors(await run(init, LIST_DESCRIPTORS, { stdin }))).toBe(`0 ${shown}\n1 pipe\n2 pipe\n`);
    }
  });

  test('passes working directory, umask, niceness, OOM score and resource limits as they were', async () => {
    const settings =
      'umask 0027; ulimit -c 0; ulimit -s 4096; ulimit -f 100000; echo 500 >/proc/self/oom_score_adj; cd /var/tmp';
    const state = (wrapped: readonly Bytes[]) => [
      '/bin/sh',
      '-c',
      `${settings}; exec nice -n 7 prlimit --nofile=4096:4096 "$@"`,
      'sh',
      ...wrapped,
    ];
    const printed = ['/bin/sh', fixture('print-state')];
    const direct = await runLine(state(printed), init.options);
    const passed = await runLine(state(init.line(printed)), init.options);
    for (const name of ['directory', 'umask', 'niceness', 'oom', 'limits', 'arguments']) {
      expect([name, section(passed.output, name)]).toEqual([name, section(direct.output, name)]);
    }
    expect(section(direct.output, 'niceness')).toBe('7');
    expect(section(direct.output, 'oom')).toBe('500');
  });

  test('runs the command in a working directory that was deleted', async () => {
    const { output } = await runLine(
      [
        '/bin/sh',
        '-c',
        'mkdir /tmp/gone && cd /tmp/gone && rmdir /tmp/gone && exec "$@"',
        'sh',
        ...init.line(['readlink', '/proc/self/cwd']),
      ],
      init.options,
    );
    expect(output.toString()).toBe('/tmp/gone (deleted)\n');
  });
});

describeInits(LIKE_TINI, (init) => {
  test('gives the command default dispositions and an empty mask', async () => {
    const { output } = await run(init, ['/bin/cat', '/proc/self/status']);
    expect(signalSets(output)).toEqual({ SigPnd: 0n, ShdPnd: 0n, SigBlk: 0n, SigIgn: 0n, SigCgt: 0n });
  });

  test(`${init.isOurs ? 'forgets' : 'passes'} signals that were ignored or blocked when the container started`, async () => {
    const { output } = await runLine(
      ['/usr/bin/env', '--ignore-signal=HUP', '--block-signal=USR2', ...init.line(['/bin/cat', '/proc/self/status'])],
      init.options,
    );
    const [hup, usr2] = [1n << 0n, 1n << 11n];
    expect(signalSets(output)).toMatchObject(init.isOurs ? { SigIgn: 0n, SigBlk: 0n } : { SigIgn: hup, SigBlk: usr2 });
  });

  test(`${init.isOurs ? 'raises' : 'keeps'} the soft limit of open files`, async () => {
    const { output } = await runLine(
      ['/usr/bin/prlimit', '--nofile=256:4096', ...init.line(['sh', '-c', 'ulimit -Sn; ulimit -Hn'])],
      init.options,
    );
    expect(output.toString()).toBe(`${init.isOurs ? 4096 : 256}\n4096\n`);
  });
});

describeInits([OURS, OURS_UNPRIVILEGED], (init) => {
  test('runs the command when descriptor 0 is closed, with /dev/null in its place', async () => {
    // Node opens it before our first line. (tini ends with 1: "tcsetpgrp failed: Bad file descriptor".)
    const ended = await run(init, LIST_DESCRIPTORS, { stdin: 'closed' });
    expect(descriptors(ended)).toBe('0 /dev/null\n1 pipe\n2 pipe\n');
  });
});

const WITH_DESCRIPTORS = [fixture('with-descriptors')];
const LIST_DESCRIPTORS = [fixture('print-descriptors')];

function descriptors({ output }: Ended): string {
  return output.toString();
}

/** Runs the command as PID 1 itself, or under an init. */
function run(init: Init | undefined, command: readonly Bytes[], options: StartOptions = {}): Promise<Ended> {
  return runLine(init?.line(command) ?? command, { ...init?.options, ...options });
}

interface Ended {
  readonly output: Buffer;
  readonly stderr: string;
}

async function runLine(line: readonly Bytes[], options: StartOptions): Promise<Ended> {
  await using sandbox = await Sandbox.create();
  const running = await sandbox.start(line, options);
  await running.stdout.whole();
  const stderr = await running.stderr.whole();
  expect({ ...(await running.exited), stderr }).toMatchObject({ code: 0, signal: null });
  return { output: running.stdout.bytes, stderr };
}

function section(output: Buffer, name: string): string | undefined {
  return new RegExp(`^== ${name}\n([^]*?)^==`, 'm').exec(output.toString())?.[1]?.trim();
}

/** The signal sets of proc_pid_status(5). */
function signalSets(status: Buffer): Record<string, bigint> {
  const lines = status.toString().matchAll(/^(Sig(?:Pnd|Blk|Ign|Cgt)|ShdPnd):\t([0-9a-f]+)$/gm);
  return Object.fromEntries(Array.from(lines, ([, name = '', mask = '']) => [name, BigInt(`0x${mask}`)]));
}
