// When the command is gone, everything else in the container is asked to end, has two seconds for it, and is killed.
// tini's container dies with it at once: its processes get no TERM.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { describeInits, OURS, TINI, type Init } from '../support/inits.ts';
import { Sandbox, type Running } from '../support/sandbox.ts';

/** Writes down in the workspace that it was asked to end. */
const ASKED = `trap 'echo asked >>/workspace/asked; exit' TERM; echo listening; while :; do sleep 60 & wait; done`;
const IGNORING = '$SIG{TERM} = "IGNORE"; syswrite STDOUT, "listening\n"; sleep while 1';
/** Goes on in a new process twenty times a second, and ends by KILL only. */
const FORKING = `${IGNORING.replace('sleep while 1', '')} while (1) { select undef, undef, undef, 0.05; exit if fork }`;

describeInits([OURS], (init) => {
  test.each([
    { whom: 'a background job', others: 0, script: 'sh -c "$ASKED" &' },
    { whom: 'a daemon in a session of its own', others: 0, script: '(setsid sh -c "$ASKED" &)' },
    { whom: 'one beside another that ignores TERM', others: 1, script: 'perl -e "$IGNORING" & sh -c "$ASKED" &' },
    { whom: 'one beside another that forks all the time', others: 1, script: 'perl -e "$FORKING" & sh -c "$ASKED" &' },
  ])('lets $whom end by itself, and ends the others', async ({ script, others }) => {
    await using sandbox = await Sandbox.create();
    const running = await start(sandbox, init, `${script}\ncat; exit 7`);
    for (let seen = 0; seen < 1 + others; seen++) await running.stdout.waitFor('listening\n');
    running.stdin.end();
    expect(await running.exited).toEqual({ code: 7, signal: null });
    expect(await asked(sandbox)).toBe('asked\n');
  });

  test('lets one that is stopped end by itself', async () => {
    await using sandbox = await Sandbox.create();
    const running = await start(sandbox, init, 'sh -c "echo pid \\$\\$; $ASKED" & cat; exit 7');
    const [, pid] = await running.stdout.waitFor(/^pid (\d+)\n/m);
    await running.stdout.waitFor('listening\n');
    expect(await running.exec(['/bin/kill', '-STOP', String(pid)])).toMatchObject({ code: 0 });
    running.stdin.end();
    expect(await running.exited).toEqual({ code: 7, signal: null });
    expect(await asked(sandbox)).toBe('asked\n');
  });

  test('lets one that came in from outside (`docker exec`) end by itself', async () => {
    await using sandbox = await Sandbox.create();
    const running = await start(sandbox, init, 'cat; exit 7');
    const exec = running.exec(['sh', '-c', `echo here >/workspace/here; ${ASKED}`], { user: 1000 });
    while ((await running.exec(['test', '-e', '/workspace/here'])).code !== 0);
    running.stdin.end();
    expect(await running.exited).toEqual({ code: 7, signal: null });
    await exec;
    expect(await asked(sandbox)).toBe('asked\n');
  });
});

describeInits([TINI, OURS], (init) => {
  test('asks nobody when TAZPOD_STOP_TIMEOUT is off, as tini', async () => {
    await using sandbox = await Sandbox.create();
    const running = await start(sandbox, init, 'sh -c "$ASKED" & cat; exit 7', 'off');
    await running.stdout.waitFor('listening\n');
    running.stdin.end();
    expect(await running.exited).toEqual({ code: 7, signal: null });
    await expect(asked(sandbox)).rejects.toThrow('ENOENT');
  });
});

function start(sandbox: Sandbox, init: Init, script: string, timeout = '5s'): Promise<Running> {
  const environment = { ...init.options.environment, TAZPOD_STOP_TIMEOUT: timeout, ASKED, IGNORING, FORKING };
  return sandbox.start(init.line(['sh', '-c', script]), { ...init.options, environment, stdin: 'pipe' });
}

async function asked({ bundle }: Sandbox): Promise<string> {
  return readFile(join(bundle.workspace, 'asked'), 'utf8');
}
