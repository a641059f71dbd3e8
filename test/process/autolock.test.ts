// TAZPOD_AUTOLOCK=last-shell: the vault is locked when the last interactive shell has ended, however it ended.

import { chown, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

import { createPod, NOTHING, startPod, startUnlocked, traces, WAIT, WITH_SECRET } from '../support/pod.ts';
import type { Running, Sandbox } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';
import { CONTENTS, PASSPHRASE, savedContents, sealVault, vaultPath } from '../support/vault.ts';

const OPERATOR = 1000;
/** PID 1 tells how many shells there are, when it has seen one come or go. */
const LAST_SHELL = { TAZPOD_AUTOLOCK: 'last-shell', TAZPOD_AUTOSAVE: 'off', TAZPOD_LOG_LEVEL: 'debug' } as const;

/** A shell at a terminal of its own, as `docker exec -it CONTAINER bash` gives one. */
class Shell implements AsyncDisposable {
  readonly #terminal: Terminal;
  /** By the shell's end. */
  readonly ended: Promise<unknown>;

  private constructor(terminal: Terminal, ended: Promise<unknown>) {
    this.#terminal = terminal;
    this.ended = ended;
  }

  static async open(
    running: Running,
    user = OPERATOR,
    command: readonly string[] = ['bash', '--norc'],
  ): Promise<Shell> {
    const terminal = await Terminal.open();
    const shell = new Shell(terminal, running.execOnTerminal(terminal, command, user));
    await terminal.screen.waitFor(/[$#] $/);
    return shell;
  }

  async line(typed: string, expected: string | RegExp): Promise<RegExpExecArray> {
    this.#terminal.type(`${typed}\r`);
    return this.#terminal.screen.waitFor(expected);
  }

  /** Its number in the container. */
  async pid(): Promise<string> {
    const [, pid = ''] = await this.line('echo "pid:" $$', /pid: (\d+)\r\n/);
    return pid;
  }

  async exit(): Promise<void> {
    this.#terminal.type('exit\r');
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#terminal[Symbol.dispose]();
    await this.ended;
  }
}

async function shells(running: Running, count: number): Promise<void> {
  await running.stderr.waitFor(`interactive shells: ${count}"`);
}

async function locked(running: Running): Promise<void> {
  await running.stderr.waitFor('vault locked');
}

async function isUnlocked(running: Running): Promise<boolean> {
  return (await running.exec(['tazpod', 'status', '--unlocked'])).code === 0;
}

async function kill(running: Running, pid: string): Promise<void> {
  await running.exec(['kill', '-KILL', pid]);
}

test('the last shell out locks and saves, one of two killed with -9; a shell that unlocks again is the next last one', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { variables: LAST_SHELL });
  await using first = await Shell.open(running);
  await shells(running, 1);
  await using second = await Shell.open(running);
  await shells(running, 2);
  await kill(running, await second.pid());
  await shells(running, 1);
  expect(await isUnlocked(running)).toBe(true);
  await first.line('echo by the shell >~tazpod/secrets/added; echo do\\ne', 'done');
  await first.exit();
  await locked(running);
  expect(await traces(pod, running)).toEqual(NOTHING);
  expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, added: 'by the shell\n' });

  await using third = await Shell.open(running);
  await third.line('tazpod unlock', 'assphrase');
  await third.line(PASSPHRASE, /unlocked[^$]*\$ /);
  await shells(running, 1);
  await kill(running, await third.pid());
  await locked(running);
  expect(await traces(pod, running)).toEqual(NOTHING);
});

test('what a shell leaves running in the background when it is killed counts no more', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { variables: LAST_SHELL });
  await using shell = await Shell.open(running);
  await shells(running, 1);
  await shell.line('(trap "" HUP; echo set; exec sleep infinity) & disown', 'set\r\n');
  await kill(running, await shell.pid());
  await locked(running);
  expect((await running.exec(['pgrep', '-x', 'sleep'])).stdout.split('\n')).toHaveLength(2);
});

test.each([
  { name: 'root’s', user: 0, command: ['bash', '--norc'] },
  { name: 'sh', user: OPERATOR, command: ['sh'] },
  {
    name: 'one started by something else at the terminal',
    user: OPERATOR,
    command: ['timeout', '--foreground', '1h', 'bash', '--norc'],
  },
  { name: 'one that env(1) becomes', user: OPERATOR, command: ['env', 'A=b', 'bash', '--norc'] },
])('a shell counts, also $name', async ({ user, command }) => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { variables: LAST_SHELL });
  await using shell = await Shell.open(running, user, command);
  await shells(running, 1);
  await shell.exit();
  await locked(running);
  expect(await traces(pod, running)).toEqual(NOTHING);
});

test('commands that are no shells at a terminal, or that have none, lock nothing', async () => {
  await using pod = await createPod();
  const variables = { ...LAST_SHELL, TAZPOD_UNLOCK: 'never' };
  const running = await startPod(pod, WAIT, { variables });
  await running.stdout.waitFor('ready');
  using terminal = await Terminal.open();
  const unlock = running.execOnTerminal(terminal, ['tazpod', 'unlock'], OPERATOR);
  await terminal.screen.waitFor('assphrase');
  terminal.type(`${PASSPHRASE}\r`);
  expect(await unlock).toMatchObject({ code: 0 });
  await running.exec(['sh', '-c', 'true'], { user: OPERATOR });
  // Whatever PID 1 made of these it has seen before this shell.
  await using _shell = await Shell.open(running);
  await shells(running, 1);
  expect(await isUnlocked(running)).toBe(true);
});

test('the command counts where it is a shell on the container’s own terminal', async () => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const running = await startPod(pod, ['bash', '--norc'], {
    ...WITH_SECRET,
    variables: { ...WITH_SECRET.variables, ...LAST_SHELL, TAZPOD_LOG_FORMAT: 'json' },
    terminal,
  });
  const { screen } = terminal;
  await screen.waitFor('interactive shells: 1"');
  await using shell = await Shell.open(running);
  await screen.waitFor('interactive shells: 2"');
  await shell.exit();
  await screen.waitFor('interactive shells: 1"');
  expect(await isUnlocked(running)).toBe(true);
});

test('a save that fails keeps the vault unlocked, and the next shell that ends tries again', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { variables: LAST_SHELL });
  await using first = await Shell.open(running);
  await shells(running, 1);
  await first.line('echo mine >~tazpod/secrets/added; echo do\\ne', 'done');
  await replaceVault(pod);
  await first.exit();
  await running.stderr.waitFor('cannot lock after the last shell (status 14');
  expect(await isUnlocked(running)).toBe(true);
  await using second = await Shell.open(running);
  await shells(running, 1);
  await second.line('tazpod lock --discard', 'locked');
  expect(await traces(pod, running)).toEqual(NOTHING);
});

test('without terminals to watch it says so, and the vault stays unlocked', async () => {
  await using pod = await createPod();
  const prepare = 'umount -l /dev/pts && rmdir /dev/pts';
  const running = await startUnlocked(pod, { variables: LAST_SHELL, prepare });
  await running.stderr.waitFor('cannot watch /dev/pts for shells: no such file or directory');
  expect(await isUnlocked(running)).toBe(true);
});

test('shells come and go unheeded where it is not asked for', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod);
  await using shell = await Shell.open(running);
  await shell.exit();
  expect(await isUnlocked(running)).toBe(true);
});

async function replaceVault(pod: Sandbox): Promise<void> {
  const file = vaultPath(pod.bundle);
  await writeFile(file, await sealVault({ other: 'from elsewhere\n' }));
  await chown(file, OPERATOR, OPERATOR);
}
