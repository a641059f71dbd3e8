// An open file, and calls on it that run on the thread pool: where a disk does not answer, nobody else waits for it.
// `node:fs/promises` has the same, but loads readline, the watching of files and more first, which takes three milliseconds.

import { close, fchmod, fstat, fsync, open, read, writev, type Stats } from 'node:fs';
import { promisify } from 'node:util';

const calls = {
  open: promisify(open),
  close: promisify(close),
  read: promisify(read),
  writev: promisify(writev),
  fstat: promisify(fstat),
  fchmod: promisify(fchmod),
  fsync: promisify(fsync),
};

export class Descriptor implements AsyncDisposable {
  readonly fd: number;
  #isOpen = true;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** @throws the system's error, as all that follow */
  static async open(path: string, flags: number | string, mode?: number): Promise<Descriptor> {
    return new Descriptor(await calls.open(path, flags, mode));
  }

  /** @param position null: from where the descriptor stands */
  async read(into: Buffer, at: number, length: number, position: number | null): Promise<number> {
    return (await calls.read(this.fd, into, at, length, position)).bytesRead;
  }

  /** @returns how many bytes were written: fewer than there are, perhaps */
  async write(pieces: readonly Buffer[], position: number): Promise<number> {
    return (await calls.writev(this.fd, pieces, position)).bytesWritten;
  }

  async stat(): Promise<Stats> {
    return await calls.fstat(this.fd);
  }

  async chmod(mode: number): Promise<void> {
    await calls.fchmod(this.fd, mode);
  }

  async sync(): Promise<void> {
    await calls.fsync(this.fd);
  }

  /** A second time it does nothing: the number may be another file's by then. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await calls.close(this.fd);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
