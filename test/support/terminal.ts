// The person at a terminal: types, reads the screen, resizes the window, closes it.
// Our own hold on the slave keeps its modes readable after the program has ended, until `ended`.

import { execa } from 'execa';

import { PseudoTerminal, type Size } from '../../sandbox/pseudo-terminal.ts';
import { Output } from './output.ts';

export const KEYS = { ctrlC: '\x03', ctrlD: '\x04', ctrlZ: '\x1a', ctrlBackslash: '\x1c', enter: '\r' } as const;

export class Terminal implements Disposable {
  /** All that the screen shows: with the echo of what is typed, lines ending in CR LF. */
  readonly screen: Output;
  readonly #pty: PseudoTerminal;

  private constructor(pty: PseudoTerminal) {
    this.#pty = pty;
    this.screen = new Output(pty.screen);
  }

  static async open(size?: Size): Promise<Terminal> {
    return new Terminal(new PseudoTerminal(size));
  }

  /** To be given to the program as its descriptors 0, 1 and 2. */
  get slave(): number {
    return this.#pty.slave;
  }

  /** The slave's path, the same in the container. */
  get path(): string {
    return this.#pty.path;
  }

  type(keys: string | Uint8Array): void {
    this.#pty.screen.write(keys);
  }

  /** Sets the window's size: one SIGWINCH for the foreground process group, if it is a new one. */
  resize(size: Size): void {
    this.#pty.resize(size);
  }

  /** All its modes and special characters, in the notation of `stty -g`: equal strings, equal modes. */
  async modes(): Promise<string> {
    const { stdout } = await execa('stty', ['-g', '-F', this.#pty.path]);
    return stdout;
  }

  /** Sets modes as `stty` does: `setModes('tostop', '-echo')`. */
  async setModes(...modes: string[]): Promise<void> {
    await execa('stty', ['-F', this.#pty.path, ...modes]);
  }

  /** Closes the window. */
  hangUp(): void {
    this.#pty.hangUp();
  }

  /** Lets go of the slave, waits until nobody holds it, and gives all that the screen has shown. */
  async ended(): Promise<string> {
    this.#pty.releaseSlave();
    return this.screen.whole();
  }

  [Symbol.dispose](): void {
    this.#pty[Symbol.dispose]();
  }
}
