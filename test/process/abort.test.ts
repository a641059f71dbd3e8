// A signal while the container boots, at the prompt or in the middle of an unlock: the boot is undone, and the status says
// which signal it was.

import { readFile, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { ENCLAVE } from '../../lib/paths.ts';
import { createPod, NO_REMAINS, remains, SECRET_FILE, startPod } from '../support/pod.ts';
import type { Running } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { PASSPHRASE } from '../support/vault.ts';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;

test.each(SIGNALS)('%s at the prompt aborts the boot, and the terminal is as it was', async (signal) => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const before = await terminal.modes();
  const running = await startPod(pod, ['echo', 'the command ran'], { terminal });
  await terminal.screen.waitFor('Passphrase: ');
  terminal.type(PASSPHRASE.slice(0, 5));
  running.signal(signal);
  expect(await running.exited).toEqual({ code: 128 + constants.signals[signal], signal: null });
  expect(await terminal.modes()).toBe(before);
  expect(await terminal.ended()).not.toContain('the command ran');
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('Ctrl-C at the prompt aborts the boot, and the terminal is as it was', async () => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const before = await terminal.modes();
  const running = await startPod(pod, ['echo', 'the command ran'], { terminal });
  await terminal.screen.waitFor('Passphrase: ');
  terminal.type(KEYS.ctrlC);
  expect(await running.exited).toEqual({ code: 130, signal: null });
  expect(await terminal.modes()).toBe(before);
  expect(await terminal.ended()).not.toContain('the command ran');
});

test('a terminal that hangs up at the prompt ends the boot', async () => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const running = await startPod(pod, ['touch', '/workspace/the-command-ran'], { terminal });
  await terminal.screen.waitFor('Passphrase: ');
  terminal.hangUp();
  expect(await running.exited).toEqual({ code: 129, signal: null });
  expect(await remains(pod)).toEqual(NO_REMAINS);
  await expect(rm(join(pod.bundle.workspace, 'the-command-ran'))).rejects.toThrow('ENOENT');
});

test.each(SIGNALS)('%s in the middle of an unlock aborts the boot', async (signal) => {
  const large = await readFile(join(import.meta.dirname, '../vectors/many-20k-1byte.tar.aes'));
  await using pod = await createPod(large);
  const running = await startPod(pod, ['echo', 'the command ran'], {
    secret: 'pw',
    variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE, TAZPOD_ENCLAVE_SIZE: '256m' },
  });
  await stopUnlock(running);
  running.signal(signal);
  expect(await running.exited).toEqual({ code: 128 + constants.signals[signal], signal: null });
  expect(await running.stdout.whole()).toBe('');
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('another signal in the middle of an unlock is kept for the command', async () => {
  const large = await readFile(join(import.meta.dirname, '../vectors/many-20k-1byte.tar.aes'));
  await using pod = await createPod(large);
  const running = await startPod(pod, ['sleep', 'infinity'], {
    secret: 'pw',
    variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE, TAZPOD_ENCLAVE_SIZE: '256m' },
  });
  const worker = await stopUnlock(running);
  running.signal(40);
  process.kill(worker, 'SIGCONT');
  expect(await running.exited).toEqual({ code: 128 + 40, signal: null });
  expect(await running.stderr.whole()).toContain('vault unlocked');
});

/** Catches the worker between its `open` and its `commit`, and holds it there: 20 000 files leave time for that. Its pid. */
async function stopUnlock({ pid }: Running): Promise<number> {
  for (;;) {
    const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8');
    if (!mounts.includes(` ${ENCLAVE} `)) continue;
    const [worker] = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ');
    process.kill(Number(worker), 'SIGSTOP');
    return Number(worker);
  }
}
