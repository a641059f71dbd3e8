// Connects a container with whoever started us, as `docker run` does: through a terminal of its own with `-it`, else through pipes.
// Never our own descriptors: PID 1 gives its terminal and its pipes to the operator, and these are not ours to give.

import { constants } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';

import { errnoName } from '../lib/errors.ts';
import type { Bundle } from './bundle.ts';
import { startContainer, type Exit } from './container.ts';
import type { Launch } from './launch.ts';
import { PseudoTerminal } from './pseudo-terminal.ts';

/** Whether a person sits at both ends. */
export function atTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY;
}

/** Runs a container to its end, and gives the status that a shell would show for it: 128+n for signal n. */
export async function runAttached(bundle: Bundle, launch: Launch): Promise<number> {
  const { code, signal } = await (atTerminal() ? onTerminal(bundle, launch) : throughPipes(bundle, launch));
  return code ?? 128 + (signal ? constants.signals[signal] : 0);
}

async function onTerminal(bundle: Bundle, launch: Launch): Promise<Exit> {
  const size = () => ({ columns: process.stdout.columns, rows: process.stdout.rows });
  using terminal = new PseudoTerminal(size());
  const { slave, screen } = terminal;
  const container = await startContainer(bundle, {
    ...launch,
    terminal: true,
    stdin: slave,
    stdout: slave,
    stderr: slave,
  });
  terminal.releaseSlave();

  const resize = () => terminal.resize(size());
  process.stdout.on('resize', resize);
  await using _raw = await rawTerminal();
  const type = (keys: Buffer) => screen.write(keys);
  process.stdin.on('data', type);
  try {
    await pipeline(screen, process.stdout, { end: false });
  } catch (error) {
    // How the screen ends: the last process that held the terminal is gone.
    if (errnoName(error) !== 'EIO') throw error;
  } finally {
    process.stdin.off('data', type).pause();
    process.stdout.off('resize', resize);
  }
  return await container.exited;
}

async function throughPipes(bundle: Bundle, launch: Launch): Promise<Exit> {
  const container = await startContainer(bundle, { ...launch, stdin: process.stdin.isTTY ? 'null' : 'pipe' });
  const { stdin, stdout, stderr } = container;
  if (stdin) {
    // A container that ends, or closes its input, before all is read: no error of ours.
    stdin.on('error', () => {});
    process.stdin.pipe(stdin);
  }
  await Promise.all([
    stdout && pipeline(stdout, process.stdout, { end: false }),
    stderr && pipeline(stderr, process.stderr, { end: false }),
  ]);
  const exit = await container.exited;
  process.stdin.unpipe().pause();
  return exit;
}

/**
 * Makes our terminal pass on every key, Ctrl-C too, and every byte for the screen, until disposed: what is to be made of them is up
 * to the modes of the container's. (Node's own raw mode would still turn each newline into two characters.)
 */
async function rawTerminal(): Promise<AsyncDisposable> {
  const stty = (...modes: string[]) => execa('stty', modes, { stdin: 'inherit' });
  const { stdout: before } = await stty('-g');
  await stty('raw', '-echo');
  return {
    async [Symbol.asyncDispose]() {
      await stty(before);
    },
  };
}
