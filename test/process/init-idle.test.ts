// Idle costs nothing: no timers, no wake-ups. Looked at for longer than an engine's housekeeping waits before it begins
// (V8's memory reducer: 30 s after the start, and then every 8 s).

import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';

import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { OURS, OURS_UNPRIVILEGED } from '../support/inits.ts';
import { createPod, startPod, startUnlocked, WAIT } from '../support/pod.ts';
import { Sandbox, type Running } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';
import { PASSPHRASE } from '../support/vault.ts';
import { wakeUps } from '../support/wake-ups.ts';

const SETTLED = 5_000; // ms
const WINDOW = 45_000; // ms

test.concurrent.each([OURS, OURS_UNPRIVILEGED])(
  '$name does not wake up once while nothing happens',
  { timeout: 90_000 },
  async (init) => {
    await using sandbox = await Sandbox.create();
    const running = await sandbox.start(init.line(['sleep', 'infinity']), init.options);
    const { before, after } = await wakeUpsOverTime(running);
    expect(after).toEqual(before);
  },
);

test.concurrent('an unlocked vault costs no wake-up while nothing happens', { timeout: 90_000 }, async () => {
  await using pod = await createPod();
  const { before, after } = await wakeUpsOverTime(await startUnlocked(pod));
  expect(after).toEqual(before);
});

test.concurrent(
  'a shell at its prompt costs no wake-up where the last one out locks',
  { timeout: 90_000 },
  async () => {
    await using pod = await createPod();
    const variables = { TAZPOD_AUTOLOCK: 'last-shell', TAZPOD_LOG_LEVEL: 'debug', TAZPOD_UNLOCK: 'never' };
    // As in an engine's container, where no terminal of another one is seen.
    const prepare = 'mount -t devpts -o newinstance devpts /dev/pts';
    const running = await startPod(pod, WAIT, { variables, prepare });
    await running.stdout.waitFor('ready');
    using terminal = await Terminal.open();
    const shell = running.execOnTerminal(terminal, ['bash', '--norc'], OPERATOR_ID);
    await terminal.screen.waitFor('$ ');
    terminal.type('tazpod unlock\r');
    await terminal.screen.waitFor('assphrase');
    terminal.type(`${PASSPHRASE}\r`);
    await running.stderr.waitFor('interactive shells: 1"');
    const { before, after } = await wakeUpsOverTime(running);
    expect(after).toEqual(before);
    terminal.type('exit\r');
    await shell;
  },
);

async function wakeUpsOverTime(running: Running) {
  await delay(SETTLED);
  const before = await wakeUps(running);
  await delay(WINDOW);
  return { before, after: await wakeUps(running) };
}
