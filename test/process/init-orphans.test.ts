// Orphans: the kernel makes PID 1 their parent, and who does not wait for them leaves zombies behind until no process can be
// started any more (wait(2)). Storms are bounded: a batch begins when every process of the last one has ended.

import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

import { ALL, describeInits, OURS, TINI } from '../support/inits.ts';
import { createPod, startPod } from '../support/pod.ts';
import { fixture, Sandbox, type Running } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';

/** How long a zombie may outlive what made it, in milliseconds. */
const PATIENCE = 1000;

describeInits([TINI, OURS], (init) => {
  test('reaps a storm of 20,000, and still has the command’s status', async () => {
    await using sandbox = await Sandbox.create();
    const storm = 'for part in 1 2 3 4 5 6 7 8 9 10; do "$0" 2000 </dev/null; done; cat; exit 23';
    const running = await sandbox.start(init.line(['sh', '-c', storm, fixture('make-orphans')]), {
      ...init.options,
      stdin: 'pipe',
    });
    for (let part = 0; part < 10; part++) await running.stdout.waitFor('made 2000\n');
    expect(await childrenLeft(running)).toHaveLength(1);
    running.stdin.end();
    expect(await running.exited).toEqual({ code: 23, signal: null });
  }, 300_000);
});

describeInits(ALL, (init) => {
  test('is the parent of orphans and daemons, and reaps each when it ends, stopped or not, while all else is idle', async () => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line(['cat']), { ...init.options, stdin: 'pipe' });
    running.stdin.write('idle\n');
    await running.stdout.waitFor('idle\n');
    const { stdout } = await running.exec([fixture('leave-orphans')], { user: 1000 });
    const orphans = stdout.split('\n');
    for (const orphan of orphans) expect(await parentOf(running, orphan)).toBe('1');
    expect(await children(running)).toHaveLength(1 + orphans.length);
    expect(await running.exec(['sh', '-c', `kill -KILL ${orphans.join(' ')}`])).toMatchObject({ code: 0 });
    expect(await childrenLeft(running)).toHaveLength(1);
    running.stdin.end();
    expect(await running.exited).toEqual({ code: 0, signal: null });
  });
});

test('programs that PID 1 starts itself keep their exit status amid orphans', async () => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const running = await startPod(pod, ['cat'], { terminal });
  await terminal.screen.waitFor('Passphrase: ');
  const storm = running.exec([fixture('make-orphans'), '2000'], { input: '' });
  for (let tries = 0; tries < 3; tries++) {
    terminal.type(`wrong${KEYS.enter}`);
    await terminal.screen.waitFor(tries < 2 ? 'Passphrase: ' : 'status 12');
  }
  expect(await storm).toMatchObject({ code: 23, stdout: 'made 2000' });
  terminal.type(KEYS.ctrlD);
  expect(await running.exited).toEqual({ code: 0, signal: null });
});

/** PID 1's children, by their pids on this machine. */
async function children({ pid }: Running): Promise<string[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1');
  return list.split(' ').filter((child) => child !== '');
}

/** PID 1's children, as soon as there is but one, or when it has had the time to get there. */
async function childrenLeft(running: Running): Promise<string[]> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const left = await children(running);
    if (left.length <= 1 || performance.now() > end) return left;
  }
}

async function parentOf(running: Running, pid: string): Promise<string> {
  const { stdout } = await running.exec(['ps', '-o', 'ppid=', '-p', pid]);
  return stdout.trim();
}
