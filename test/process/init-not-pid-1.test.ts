// Where it is not PID 1 (`docker run --init`, `--pid=host`): it says so, and does for its own descendants what PID 1 does for all.
// Here PID 1 is a shell, which lives on after the init under test and tells what it has left.

import { expect, test } from 'vitest';

import { describeInits, LIKE_TINI, OURS, OURS_UNPRIVILEGED, type Init } from '../support/inits.ts';
import { fixture, INITS, Sandbox, type Running } from '../support/sandbox.ts';

describeInits(LIKE_TINI, (init) => {
  test('says once that it is not PID 1, unless -s or TINI_SUBREAPER says that this is meant', async () => {
    const said = async (line: readonly (string | Uint8Array)[], environment = {}): Promise<number> => {
      await using sandbox = await Sandbox.create();
      const running = await sandbox.start([INITS.tini, '--', ...line], {
        ...init.options,
        environment: { ...init.options.environment, ...environment },
      });
      expect(await running.exited).toEqual({ code: 6, signal: null });
      return (await running.stderr.whole()).match(/not (?:running as )?PID 1/g)?.length ?? 0;
    };
    const command = ['sh', '-c', 'exit 6'];
    expect(await said(init.line(command))).toBe(1);
    expect(await said(init.line(command, ['-s']))).toBe(0);
    expect(await said(init.line(command), { TINI_SUBREAPER: '' })).toBe(0);
  });

  test('is the parent of its descendants’ orphans, and reaps them', async () => {
    await using sandbox = await Sandbox.create();
    const command = ['sh', '-c', `echo "init $PPID"; ${fixture('leave-orphans')}; echo left; cat`];
    const running = await sandbox.start(['sh', '-c', '"$@"; echo status $?', 'sh', ...init.line(command, ['-s'])], {
      ...init.options,
      stdin: 'pipe',
    });
    await running.stdout.waitFor('left\n');
    const [parent = '', ...orphans] = running.stdout.text.match(/\d+/g) ?? [];
    const children = async (): Promise<string[]> => {
      const { stdout } = await running.exec(['ps', '--ppid', parent, '-o', 'pid=']);
      return stdout.split('\n').map((line) => line.trim());
    };
    expect(orphans).toHaveLength(3);
    expect(await children()).toEqual(expect.arrayContaining(orphans));
    await running.exec(['/bin/kill', '-KILL', ...orphans]);
    await expect.poll(children, { timeout: 5000 }).toHaveLength(1);
    running.stdin.end();
    expect(await running.stdout.whole()).toMatch(/^status 0$/m);
  });

  test('gets the signal of -p when its parent dies, and forwards it', async () => {
    await using sandbox = await Sandbox.create();
    const line = init.line([fixture('signal-printer')], ['-s', '-p', 'SIGUSR2']);
    const running = await sandbox.start(
      ['sh', '-c', `sh -c 'echo parent $$; "$@" & wait' sh "$@"; read -r line`, 'sh', ...line],
      { ...init.options, stdin: 'pipe' },
    );
    const [, parent] = await running.stdout.waitFor(/^parent (\d+)\n/m);
    await running.stdout.waitFor('ready\n');
    await running.exec(['/bin/kill', '-KILL', String(parent)]);
    const [received] = await running.stdout.waitFor(/^\d+\n/m);
    expect(received).toBe('12\n');
  });
});

describeInits([OURS, OURS_UNPRIVILEGED], (init) => {
  test('ends all that its command has left, daemons too, and nothing else', async () => {
    await using sandbox = await Sandbox.create();
    const running = await startBeside(sandbox, init, [
      'sh',
      '-c',
      'sleep 1001 & setsid sh -c "trap : TERM; sleep 1002; sleep 1003" & sleep 1004 & kill -STOP $!; exit 5',
    ]);
    await running.stdout.waitFor('status 5\n');
    const { stdout } = await running.exec(['ps', '-e', '-o', 'args=']);
    expect(stdout.split('\n').filter((line) => line.startsWith('sleep'))).toEqual(['sleep 2000']);
  });
});

describeInits([OURS, OURS_UNPRIVILEGED], (init) => {
  test('ends what goes on in a new process all the time, and ignores TERM', async () => {
    await using sandbox = await Sandbox.create();
    const forking =
      '$SIG{TERM} = "IGNORE"; setpgrp; $| = 1; print "forking\n"; while (1) { select undef, undef, undef, 0.02; exit if fork }';
    const running = await startBeside(sandbox, init, ['sh', '-c', `perl -e '${forking}' & read -r line; exit 5`]);
    await running.stdout.waitFor('forking\n');
    running.stdin.write('\n');
    await running.stdout.waitFor('status 5\n');
    const { stdout } = await running.exec(['ps', '-e', '-o', 'comm=']);
    expect(stdout.split('\n').filter((line) => line.includes('perl'))).toEqual([]);
  });
});

/** A shell as PID 1 that has a child of its own, `sleep 2000`, and runs the command under the init. */
function startBeside(sandbox: Sandbox, init: Init, command: readonly string[]): Promise<Running> {
  const script = 'sleep 2000 & "$@"; echo status $?; read -r line';
  return sandbox.start(['sh', '-c', script, 'sh', ...init.line(command, ['-s'])], {
    ...init.options,
    stdin: 'pipe',
    environment: { ...init.options.environment, TAZPOD_STOP_TIMEOUT: '5s' },
  });
}
