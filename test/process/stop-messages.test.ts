// What a person sees of a stop, so that it is never a silent wait; and how far long work is, on the terminal of a container.

import { readdir, readlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';

import { createPod, processesOf, startPod, WITH_SECRET } from '../support/pod.ts';
import type { Running } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';
import { sealVault } from '../support/vault.ts';

/** Ignores a stop request, and leaves something running. */
const STUBBORN = `trap '' TERM; setsid sleep infinity & echo ready; while :; do sleep 1000; done`;
const PRETTY = { ...WITH_SECRET.variables, TAZPOD_LOG_FORMAT: 'pretty' } as const;

/** What the log says, line by line, from the stop request on. */
async function messagesOfStop(running: Running): Promise<string[]> {
  await running.stdout.waitFor('ready');
  running.signal('SIGTERM');
  await running.exited;
  const lines = (await running.stderr.whole()).trimEnd().split('\n');
  const messages = lines.map((line) => line.replace('tazpod-entrypoint: ', '').replaceAll(/process \d+/g, 'process N'));
  return messages.slice(messages.findIndex((message) => message.startsWith('stop requested')));
}

describe('a stop says', () => {
  test('whom it waits for, what it ends, that it saves, and that the vault is locked', async () => {
    await using pod = await createPod();
    const variables = { ...PRETTY, TAZPOD_STOP_TIMEOUT: '300ms' };
    const running = await startPod(pod, ['sh', '-c', STUBBORN], { ...WITH_SECRET, variables });
    expect(await messagesOfStop(running)).toEqual([
      'stop requested: waiting for process N (sh)',
      'warning: the command did not end within 0.3 s: killing it',
      'ending process N (sleep), process N (sleep)',
      'saving the vault',
      'vault locked',
    ]);
  });

  test('of many processes the names of a few, in printable characters', async () => {
    await using pod = await createPod(null);
    const odd = String.raw`perl -e '$| = 1; $0 = "\e[2J\x9b\n"; print "ready\n"; sleep'`;
    const command = `for each in 1 2 3 4 5 6 7 8; do setsid ${odd} & done; exec sleep infinity`;
    const running = await startPod(pod, ['sh', '-c', command], { variables: { TAZPOD_LOG_FORMAT: 'pretty' } });
    for (let named = 1; named < 8; named += 1) await running.stdout.waitFor('ready');
    const [, ending = ''] = await messagesOfStop(running);
    expect(ending).toMatch(/^ending (?:process N \(\?\[2J[^ ]{1,3}\),? ?){5}and 3 more$/);
  });
});

test('on a terminal the unlock of the boot and the last save show how far they are', { timeout: 90_000 }, async () => {
  const zeros = new Uint8Array(50 * 1024 ** 2);
  const names = Array.from({ length: 6 }, (_, count) => `zeros-${count}`);
  await using pod = await createPod(await sealVault(Object.fromEntries(names.map((name) => [name, zeros]))));
  using terminal = await Terminal.open();
  const variables = { ...PRETTY, TERM: 'xterm', TAZPOD_ENCLAVE_SIZE: '1g', TAZPOD_UNLOCK: 'required' };
  const running = await startPod(pod, ['echo', 'the command'], { ...WITH_SECRET, variables, terminal });
  await holdWhoReads(running, 'zeros-1');
  await terminal.screen.waitFor('saving the vault');
  await holdWhoReads(running, 'zeros-1');
  expect(await running.exited).toMatchObject({ code: 0 });
  const [boot, end = ''] = (await terminal.ended()).split('the command\r\n');
  expect(boot).toMatch(/tazpod: unlocking: \d+ % of [\d.]+ [kM]B/);
  expect(end).toMatch(/saving the vault\r\n[^\n]*tazpod: packing: [\d.]+ MB[^\n]*vault locked\r\n$/);
});

/** Stops whoever has that file of the enclave open, for longer than what needs no line; however fast the machine is. */
async function holdWhoReads(running: Running, name: string): Promise<void> {
  for (;;) {
    for (const pid of await processesOf(running)) {
      const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
      const paths = descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => ''));
      if (!(await Promise.all(paths)).some((path) => path.endsWith(`/${name}`))) continue;
      process.kill(pid, 'SIGSTOP');
      await delay(700);
      process.kill(pid, 'SIGCONT');
      return;
    }
  }
}
