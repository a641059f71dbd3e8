// The colour of what PID 1 and its workers say: for people only.

import { expect, test } from 'vitest';

import { createPod, startPod } from '../support/pod.ts';
import { Terminal } from '../support/terminal.ts';
import { PASSPHRASE } from '../support/vault.ts';

const WARNING = 'tazpod-entrypoint: \u001B[33mwarning:\u001B[m TAZPOD_PASSPHRASE stays readable';
const ERROR = 'tazpod-entrypoint: \u001B[31merror:\u001B[m cannot unlock the vault';
const REASON = '\u001B[31mtazpod:\u001B[m cannot open the vault';

test('on a terminal errors and warnings have it, and what went well has none', async () => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const running = await startPod(pod, ['true'], {
    terminal,
    variables: { TERM: 'xterm', TAZPOD_PASSPHRASE: PASSPHRASE },
  });
  await running.exited;
  const screen = await terminal.ended();
  expect(screen).toContain(WARNING);
  expect(screen).toContain('tazpod-entrypoint: vault locked\r\n');
  expect(screen.replace(WARNING, '')).not.toContain('\u001B');
});

test.each([
  { name: 'on a dumb terminal', variables: { TERM: 'dumb' } },
  { name: 'on a terminal under NO_COLOR', variables: { TERM: 'xterm', NO_COLOR: '1', FORCE_COLOR: '1' } },
])('$name there is none', async ({ variables }) => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const running = await startPod(pod, ['true'], { terminal, variables: { ...variables, TAZPOD_PASSPHRASE: 'wrong' } });
  await running.exited;
  const screen = await terminal.ended();
  expect(screen).toContain('tazpod-entrypoint: error: cannot unlock the vault');
  expect(screen).not.toContain('\u001B');
});

test('in a pipe there is none unless it is forced, and never in JSON', async () => {
  const said = async (variables: Readonly<Record<string, string>>): Promise<string> => {
    await using pod = await createPod();
    const running = await startPod(pod, ['true'], {
      variables: { TERM: 'xterm', TAZPOD_PASSPHRASE: 'wrong', ...variables },
    });
    await running.exited;
    return running.stderr.whole();
  };
  expect(await said({ TAZPOD_LOG_FORMAT: 'pretty' })).not.toContain('\u001B');
  const forced = await said({ TAZPOD_LOG_FORMAT: 'pretty', FORCE_COLOR: '1' });
  for (const words of [WARNING, ERROR, REASON]) expect(forced).toContain(words);
  const json = (await said({ FORCE_COLOR: '1' })).split('\n').filter((line) => line.startsWith('{'));
  expect(json.length).toBeGreaterThan(0);
  for (const escape of ['\u001B', '\\u001b']) expect(json.join('\n')).not.toContain(escape);
});
