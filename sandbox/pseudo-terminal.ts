// A real terminal: a pseudo-terminal pair (pty(7)). The program gets the slave; we hold the master, and are its keyboard and screen.

import { constants, closeSync, openSync } from 'node:fs';
import { ReadStream } from 'node:tty';

import { TazpodError } from '../lib/errors.ts';
import { openMaster, setWindowSize } from './native.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export class PseudoTerminal implements Disposable {
  /** What the program shows, and, written to, what is typed. Fails with EIO when the last holder of the slave is gone. */
  readonly screen: ReadStream;
  /** The slave's path, `/dev/pts/N`. */
  readonly path: string;
  readonly #master: number;
  #slave: number | undefined;

  /** @throws TazpodError `unexpected` where the machine has no terminals left */
  constructor(size: Size = { columns: 80, rows: 24 }) {
    const { master, path } = openMaster();
    setWindowSize(master, size.columns, size.rows);
    this.#master = master;
    this.screen = new ReadStream(master);
    this.path = path;
    this.#slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  }

  /** The slave, to be given to the program as its descriptors 0, 1 and 2. */
  get slave(): number {
    if (this.#slave === undefined) throw new TazpodError('unexpected', `cannot use ${this.path}: it was let go of`);
    return this.#slave;
  }

  /** Sets the window's size; the foreground process group gets SIGWINCH if it is a new one. */
  resize({ columns, rows }: Size): void {
    // Closed by a hang-up, its number may be another file's by now.
    if (!this.screen.destroyed) setWindowSize(this.#master, columns, rows);
  }

  /** Lets go of the slave: from then on the screen ends when the program's last holder is gone. */
  releaseSlave(): void {
    if (this.#slave === undefined) return;
    closeSync(this.#slave);
    this.#slave = undefined;
  }

  /** Closes the master, as a terminal window that is closed: the session on it gets SIGHUP. */
  hangUp(): void {
    this.screen.destroy();
  }

  [Symbol.dispose](): void {
    this.releaseSlave();
    this.hangUp();
  }
}
