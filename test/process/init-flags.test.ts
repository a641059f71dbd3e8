// tini's flags and variables, as tini takes them. What is said differs; when it is said, and with which status, does not.

import { expect, test } from 'vitest';

import { describeInits, LIKE_TINI, OURS, type Init } from '../support/inits.ts';
import { INITS, Sandbox } from '../support/sandbox.ts';

const TRUE = ['--', 'true'];

describeInits(LIKE_TINI, (init) => {
  test.each([
    { flags: ['-h'], says: /usage/i },
    { flags: ['-l'], says: /licen[cs]e/i },
    { flags: ['--version'], says: /^(?:tini|tazpod-entrypoint) (?:version )?\d+\.\d+/ },
  ])('$flags is answered on standard output, and ends with 0', async ({ flags, says }) => {
    const ended = await run(init, flags);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(says);
  });

  test.each([
    { what: 'an unknown flag', words: ['-x', ...TRUE] },
    { what: 'an unknown long flag', words: ['--unknown', ...TRUE] },
    { what: 'an unknown flag among known ones', words: ['-vx', ...TRUE] },
    { what: '-p with a signal that there is not', words: ['-p', 'SIGNOPE', ...TRUE] },
    { what: '-p without a signal', words: ['-p'] },
    { what: '-e with more than a status can be', words: ['-e', '256', ...TRUE] },
    { what: '-e with what is no number', words: ['-e', 'x', ...TRUE] },
    { what: '-e with a negative number', words: ['-e', '-1', ...TRUE] },
    { what: '-e without a status', words: ['-e'] },
  ])('ends with 1, and runs nothing, for $what', async ({ words }) => {
    const ended = await run(init, words);
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).not.toBe('');
  });

  test('takes flags that are written together', async () => {
    expect(await run(init, ['-gvw', '--', 'sh', '-c', 'exit 3'])).toMatchObject({ code: 3 });
  });

  test('tells of each orphan with -w, and of none without', async () => {
    // The orphan is at its end when the pipe is, and gone when there is nobody of its number any more.
    const script = 'pid=$( (sh -c "echo \\$\\$" &) ); while kill -0 "$pid" 2>/dev/null; do :; done; echo "$pid"';
    const { stderr, stdout } = await run(init, ['-w', '--', 'sh', '-c', script]);
    const told = stderr.split('\n').filter((line) => /reaped/i.test(line));
    expect(told).toEqual([expect.stringMatching(new RegExp(`\\b${stdout.trim()}$`))]);
    expect((await run(init, ['--', 'sh', '-c', script])).stderr).not.toMatch(/reaped/i);
  });

  test('says more with each -v, as with TINI_VERBOSITY', async () => {
    // tini writes to standard output what is no warning.
    const said = async (...call: Parameters<typeof run>) => {
      const { stdout, stderr } = await run(...call);
      return stdout.length + stderr.length;
    };
    const lengths = [await said(init, TRUE), await said(init, ['-v', ...TRUE]), await said(init, ['-vvv', ...TRUE])];
    expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
    expect(lengths[2]).toBeGreaterThan(lengths[0] ?? 0);
    expect(await said(init, TRUE, { TINI_VERBOSITY: '4' })).toBeGreaterThan(lengths[0] ?? 0);
  });
});

describeInits([OURS], (init) => {
  test.each([
    { what: 'a command without "--"', words: ['sh', '-c', 'exit 3'] },
    { what: 'flags after the command for its own', words: ['-g', 'sh', '-c', 'exit 3', '-x', '--version'] },
  ])('takes $what (tini takes them for its flags)', async ({ words }) => {
    expect(await run(init, words)).toMatchObject({ code: 3 });
  });

  test('runs the operator’s login shell where no command is given (tini: an error)', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start([INITS.ours], { ...init.options, stdin: 'pipe' });
    running.stdin.end('echo "$0 $(id -un)"; exit 9\n');
    expect(await running.exited).toEqual({ code: 9, signal: null });
    expect(await running.stdout.whole()).toContain('-bash tazpod\n');
  });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  init: Init,
  words: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  await using sandbox = await Sandbox.create();
  const [program] = init.line([]);
  const environment = { ...init.options.environment, TAZPOD_LOG_FORMAT: 'pretty', ...variables };
  const running = await sandbox.start([program, ...words], { ...init.options, environment });
  const [{ code }, stdout, stderr] = await Promise.all([
    running.exited,
    running.stdout.whole(),
    running.stderr.whole(),
  ]);
  return { code, stdout, stderr };
}
