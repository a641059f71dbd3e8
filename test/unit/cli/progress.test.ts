// How far long work is, as a person sees it on a terminal; and that nobody else sees anything of it.

import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { Terminal } from '../../support/terminal.ts';
import { MAIN, onTerminal, QUIETLY, SMALL, temporaryDirectory } from './tool.ts';

const FILES = 6;
const FILE_BYTES = 50 * 1024 ** 2;

const END = '\u001B[K\u001B[?7h';
/** A line that is drawn: from the first column, cut off at the window's end, without a newline. */
const DRAWN = new RegExp(`${RegExp.escape('\r\u001B[?7ltazpod: ')}([^\r\n]*?)${RegExp.escape(END)}`, 'g');
const CLEARED = `\r${END}`;

/** Makes a vault of a directory that takes a while to pack, on a terminal. */
async function createVault(env: Readonly<Record<string, string>>, ...more: string[]) {
  await using directory = await temporaryDirectory();
  const tree = join(directory.path, 'tree');
  await mkdir(tree);
  for (let count = 0; count < FILES; count += 1) {
    await writeFile(join(tree, `zeros-${count}`), '');
    await truncate(join(tree, `zeros-${count}`), FILE_BYTES);
  }
  const passphrase = join(directory.path, 'passphrase');
  await writeFile(passphrase, SMALL.passphrase);
  const vault = join(directory.path, 'v.tar.aes');
  const words = ['vault', 'create', tree, vault, '--passphrase-file', passphrase, '--max-size', '1g', ...more];
  using terminal = await Terminal.open();
  const { exitCode, stdout } = await onTerminal(terminal, [process.execPath, QUIETLY, MAIN, ...words], env);
  expect(exitCode).toBe(0);
  return { stdout, screen: await terminal.ended() };
}

describe('work that takes a while', () => {
  test('is followed on a terminal in one line, which is gone when something else is said', async () => {
    const { screen } = await createVault({ TERM: 'xterm' });
    const drawn = Array.from(screen.matchAll(DRAWN), ([, text = '']) => text);
    expect(drawn.length).toBeGreaterThan(1);
    for (const text of drawn) {
      expect(text).toMatch(/^(?:packing(?:: [\d.]+ MB)?|writing [\d.]+ [kM]B)$/);
    }
    const packed = drawn.flatMap((text) => /^packing: ([\d.]+)/.exec(text)?.slice(1).map(Number) ?? []);
    expect(packed.length).toBeGreaterThan(0);
    expect(packed).toEqual(packed.toSorted((one, other) => one - other));
    // Nothing but the line, until it is cleared for the message that stays.
    const [following, message, ...rest] = screen.split(CLEARED);
    expect(following?.replaceAll(DRAWN, '')).toBe('');
    expect(message).toMatch(/^tazpod: created: [^\r\n]+\r\n$/);
    expect(rest).toEqual([]);
  });

  test.each([
    { name: 'on a terminal that cannot redraw a line', env: { TERM: 'dumb' }, options: [] },
    { name: 'where nothing is known of the terminal', env: {}, options: [] },
    { name: 'under --quiet', env: { TERM: 'xterm' }, options: ['--quiet'] },
    { name: 'under --json', env: { TERM: 'xterm' }, options: ['--json'] },
  ] as const)('is not followed $name', async ({ env, options }) => {
    const { screen } = await createVault(env, ...options);
    expect(screen).toMatch(options.length === 0 ? /^tazpod: created: [^\r\n]+\r\n$/ : /^$/);
  });
});
