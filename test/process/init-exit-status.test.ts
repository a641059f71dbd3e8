// The container's exit status is the command's: what a shell would have shown for it (wait(2), bash(1) "EXIT STATUS").

import { expect, test } from 'vitest';

import { ALL, CATATONIT, describeInits, DUMB_INIT, LIKE_TINI, OURS, TINI, type Init } from '../support/inits.ts';
import { fixture, Sandbox, type StartOptions } from '../support/sandbox.ts';

/** Every signal whose default is to end a process (signal(7)), glibc's own 32 and 33 among them. */
const DEADLY = [...range(1, 16), ...range(24, 27), ...range(29, 64)];
/** For hundreds of runs, on a machine that may have much else to do. */
const PATIENCE = 300_000;

describeInits([TINI, OURS], (init) => {
  test(
    'ends with each status from 0 to 255 that the command ends with',
    async () => {
      const statuses = await endEach(init, '0-255', ['sh', '-c', 'exit "$1"', 'sh']);
      expect(statuses).toEqual(new Map(range(0, 255).map((status) => [status, status])));
    },
    PATIENCE,
  );

  test(
    'ends with 128+n when signal n ended the command, real-time signals too',
    async () => {
      const statuses = await endEach(init, DEADLY.join(), ['sh', '-c', 'kill -"$1" $$', 'sh']);
      expect(statuses).toEqual(new Map(DEADLY.map((signal) => [signal, 128 + signal])));
    },
    PATIENCE,
  );

  test(
    'ends with the command’s status in 500 races with orphans that end in the same moment',
    async () => {
      const statuses = await endEach(init, '1-500', [fixture('race-with-orphans')]);
      expect(statuses).toEqual(new Map(range(1, 500).map((number) => [number, number % 256])));
    },
    PATIENCE,
  );
});

describeInits(ALL, (init) => {
  test('runs a script without "#!" with the shell, which gets its arguments', async () => {
    const script = 'prepare-script';
    const { code, stdout } = await end(init, [`/tmp/${script}`, 'one', 'two words'], {
      prepare: `printf 'echo "$0 $1 $2"; exit 9\\n' >/tmp/${script}; chmod 755 /tmp/${script}`,
    });
    expect(stdout).toBe(`/tmp/${script} one two words\n`);
    expect(code).toBe(9);
  });
});

describeInits([DUMB_INIT, CATATONIT], (init) => {
  test.each(['no-such-program', '/etc/passwd'])('does not tell why %s cannot be run', async (command) => {
    expect(await end(init, [command])).toMatchObject({ code: init === DUMB_INIT ? 2 : 1 });
  });
});

describeInits(LIKE_TINI, (init) => {
  test.each([
    { what: 'a name that is nowhere on the PATH', command: 'no-such-program', expected: 127 },
    { what: 'a path where nothing is', command: '/no/such/program', expected: 127 },
    { what: 'a file that may not be executed', command: '/etc/passwd', expected: 126 },
    { what: 'a directory', command: '/tmp', expected: 126 },
    { what: 'a script whose interpreter is missing', command: '/tmp/orphaned-script', expected: 127 },
  ])('ends with $expected for $what, and names it', async ({ command, expected }) => {
    const { code, stderr } = await end(init, [command], {
      prepare: 'echo "#!/no/such/interpreter" >/tmp/orphaned-script; chmod 755 /tmp/orphaned-script',
    });
    expect(code).toBe(expected);
    expect(stderr).toContain(command);
  });

  test(`ends with ${init.isOurs ? 126 : 1} for a path that leads through a file`, async () => {
    // tini knows EACCES and ENOENT, and ends with 1 for any other reason; a shell with 126.
    expect(await end(init, ['/etc/passwd/program'])).toMatchObject({ code: init.isOurs ? 126 : 1 });
  });

  test.each([
    { what: 'the status that -e names', flags: ['-e', '143'], status: 143, expected: 0 },
    { what: 'each that is named, when it is repeated', flags: ['-e', '3', '-e', '143'], status: 3, expected: 0 },
    { what: '0 when -e names it', flags: ['-e', '0'], status: 0, expected: 0 },
    { what: '255', flags: ['-e255'], status: 255, expected: 0 },
  ])('takes $what for 0', async ({ flags, status, expected }) => {
    const { code } = await end(init, ['sh', '-c', `exit ${status}`], {}, flags);
    expect(code).toBe(expected);
  });

  test('leaves a status that -e does not name as it is', async () => {
    expect(await end(init, ['sh', '-c', 'exit 4'], {}, ['-e', '3'])).toMatchObject({ code: 4 });
  });

  test('takes death by a signal for 0 when -e names its status', async () => {
    expect(await end(init, ['sh', '-c', 'kill -TERM $$'], {}, ['-e', '143'])).toMatchObject({ code: 0 });
  });
});

/** Runs `command N` under the init, as PID 1, for each number of the list; how each ended. */
async function endEach(init: Init, list: string, command: readonly string[]): Promise<Map<number, number>> {
  await using sandbox = await Sandbox.create();
  const running = await sandbox.start([fixture('each-as-pid-1'), list, ...init.line(command)], init.options);
  expect(await running.exited).toEqual({ code: 0, signal: null });
  // Whoever could not run a command says why.
  expect((await running.stderr.whole()).split('\n').filter((line) => /cannot run|unshare/.test(line))).toEqual([]);
  const lines = (await running.stdout.whole()).trimEnd().split('\n');
  const pairs = lines.map((line) => line.split(' ').map(Number) as [number, number]);
  return new Map(pairs.sort(([a], [b]) => a - b));
}

async function end(
  init: Init,
  command: readonly string[],
  options: StartOptions = {},
  flags: readonly string[] = [],
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  await using sandbox = await Sandbox.create();
  const running = await sandbox.start(init.line(command, flags), { ...init.options, ...options });
  const [{ code }, stdout, stderr] = await Promise.all([
    running.exited,
    running.stdout.whole(),
    running.stderr.whole(),
  ]);
  return { code, stdout, stderr };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
