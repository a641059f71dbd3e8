// The prompt on a real terminal. Whatever ends it, the terminal's modes must be what they were.

import { once } from 'node:events';
import { describe, expect, test } from 'vitest';

import { KEYS, Terminal } from '../../support/terminal.ts';
import { MAIN, onTerminal, QUIETLY, SMALL, temporaryDirectory } from './tool.ts';

/** Runs `tazpod` on a terminal while `person` types; checks that the modes are as before. */
async function ask(words: readonly string[], person: (terminal: Terminal) => Promise<void>) {
  using terminal = await Terminal.open();
  const before = await terminal.modes();
  const running = onTerminal(terminal, [process.execPath, QUIETLY, MAIN, ...words]);
  await person(terminal);
  const { exitCode, stdout } = await running;
  expect(await terminal.modes()).toBe(before);
  return { status: exitCode, stdout, screen: await terminal.ended() };
}

const LIST = ['vault', 'list', SMALL.file];

describe('a passphrase for an existing vault', () => {
  test('is typed without an echo, on the terminal; standard output has the data alone', async () => {
    const { status, stdout, screen } = await ask(LIST, async (terminal) => {
      await terminal.screen.waitFor('Passphrase: ');
      terminal.type(`${SMALL.passphrase}${KEYS.enter}`);
    });
    expect(status).toBe(0);
    expect(stdout).toContain('.aws/credentials');
    expect(screen).toBe('Passphrase: \r\n');
  });

  test('may be wrong twice', async () => {
    const { status, screen } = await ask(LIST, async (terminal) => {
      for (const typed of ['wrong', 'wrong again', SMALL.passphrase]) {
        await terminal.screen.waitFor('Passphrase: ');
        terminal.type(`${typed}${KEYS.enter}`);
      }
    });
    expect(status).toBe(0);
    expect(screen.match(/Sorry, wrong passphrase — try again/g)).toHaveLength(2);
  });

  test('wrong three times is the end', async () => {
    const { status, screen } = await ask(LIST, async (terminal) => {
      for (let tries = 1; tries <= 3; tries++) {
        await terminal.screen.waitFor('Passphrase: ');
        terminal.type(`wrong${KEYS.enter}`);
      }
    });
    expect(status).toBe(12);
    expect(screen).toContain('wrong passphrase or corrupt file');
  });

  test('can be mended with backspace and Ctrl-U while it is typed', async () => {
    const { status } = await ask(LIST, async (terminal) => {
      await terminal.screen.waitFor('Passphrase: ');
      terminal.type(`nonsense\u0015${SMALL.passphrase}é\u007f${KEYS.enter}`);
    });
    expect(status).toBe(0);
  });

  test('may be typed ahead, all tries at once', async () => {
    const { status } = await ask(LIST, async (terminal) => {
      await terminal.screen.waitFor('Passphrase: ');
      terminal.type(`wrong${KEYS.enter}wrong${KEYS.enter}${SMALL.passphrase}${KEYS.enter}`);
    });
    expect(status).toBe(0);
  });

  test.for([
    ['Enter alone', KEYS.enter],
    ['Ctrl-D', KEYS.ctrlD],
  ] as const)('is given up with %s: 11', async ([, keys]) => {
    const { status, screen } = await ask(LIST, async (terminal) => {
      await terminal.screen.waitFor('Passphrase: ');
      terminal.type(keys);
    });
    expect(status).toBe(11);
    expect(screen).toContain('no passphrase was typed');
  });

  test('Ctrl-Z does not stop the program', async () => {
    const { status } = await ask(LIST, async (terminal) => {
      await terminal.screen.waitFor('Passphrase: ');
      terminal.type(`${KEYS.ctrlZ}${SMALL.passphrase}${KEYS.enter}`);
    });
    expect(status).toBe(0);
  });

  test('Ctrl-C ends it with 130 and without a word', async () => {
    const { status, screen } = await ask(LIST, async (terminal) => {
      await terminal.screen.waitFor('Passphrase: ');
      terminal.type(`half a pass${KEYS.ctrlC}`);
    });
    expect(status).toBe(130);
    expect(screen).toBe('Passphrase: \r\n');
  });

  test.for([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
  ] as const)('%s ends it with %i', async ([signal, expected]) => {
    using terminal = await Terminal.open();
    const before = await terminal.modes();
    // The shell tells its own number and then becomes the program.
    const script = 'echo $$; exec "$@"';
    const running = onTerminal(terminal, ['sh', '-c', script, 'sh', process.execPath, QUIETLY, MAIN, ...LIST]);
    const told = once(running.stdout, 'data');
    await terminal.screen.waitFor('Passphrase: ');
    expect(await terminal.modes()).not.toBe(before);
    const pid = Number(String(await told));
    process.kill(pid, signal);
    expect((await running).exitCode).toBe(expected);
    expect(await terminal.modes()).toBe(before);
  });

  test('a window that is closed ends it', async () => {
    using terminal = await Terminal.open();
    const running = onTerminal(terminal, [process.execPath, QUIETLY, MAIN, ...LIST]);
    await terminal.screen.waitFor('Passphrase: ');
    terminal.hangUp();
    expect((await running).exitCode).not.toBe(0);
  });
});

describe('a passphrase for a new vault', () => {
  async function create(typed: readonly (readonly [string, string])[]) {
    await using directory = await temporaryDirectory();
    return await ask(['vault', 'create', directory.path, `${directory.path}/v.tar.aes`], async (terminal) => {
      for (const [first, second] of typed) {
        await terminal.screen.waitFor('New passphrase: ');
        terminal.type(`${first}${KEYS.enter}`);
        await terminal.screen.waitFor('New passphrase again: ');
        terminal.type(`${second}${KEYS.enter}`);
      }
    });
  }

  test('is asked for twice', async () => {
    expect((await create([['one', 'one']])).status).toBe(0);
  });

  test('is asked for again when the two differ', async () => {
    const { status, screen } = await create([
      ['one', 'other'],
      ['two', 'two'],
    ]);
    expect(status).toBe(0);
    expect(screen).toContain('the two must match');
  });

  test('that never matches is given up after three times', async () => {
    const pair = ['one', 'other'] as const;
    const { status, screen } = await create([pair, pair, pair]);
    expect(status).toBe(11);
    expect(screen).toContain('did not match');
  });
});
