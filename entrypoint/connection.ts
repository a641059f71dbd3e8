// A connection of the control protocol: a descriptor, read when there is something to read, written to at once or not at all. Not of
// node:net, which takes milliseconds to load and to set up, while a start with unlock waits.

import { closeSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { systemCall } from './native.ts';
import { ReadinessPoll } from './readiness.ts';

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** What one read takes; a connection gets a copy of what came. */
const room = Buffer.alloc(16 * 1024);

/** Who has to do with a connection. */
export interface Listener {
  readonly received: (bytes: Buffer) => void;
  /** The other end has ended it, or is gone. It is closed after that. */
  readonly ended: () => void;
}

export class Connection {
  readonly #descriptor: number;
  readonly #listener: Listener;
  readonly #poll: ReadinessPoll;
  #isClosed = false;

  /** @param descriptor a stream socket, which is the connection's to close */
  constructor(descriptor: number, listener: Listener) {
    this.#descriptor = descriptor;
    this.#listener = listener;
    this.#poll = new ReadinessPoll(descriptor, () => this.#read());
    this.#poll.start();
  }

  /** Sends all of it, at once; the connection is closed where that is not possible: nothing is kept for who does not read. */
  send(text: string): void {
    if (this.#isClosed) return;
    const bytes = Buffer.from(text);
    try {
      const sent = systemCall('sendto', this.#descriptor, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent === bytes.length) return;
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
    }
    this.#end();
  }

  /** Does nothing the second time. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#poll.close();
    closeSync(this.#descriptor);
  }

  #read(): void {
    if (this.#isClosed) return;
    const count = this.#receive();
    if (count === 0) {
      this.#end();
      return;
    }
    if (count !== undefined) this.#listener.received(Buffer.from(room.subarray(0, count)));
    if (!this.#isClosed) this.#poll.start();
  }

  /** Who waits for our end of it finds undone what was to be undone. */
  #end(): void {
    this.#listener.ended();
    this.close();
  }

  /** How many bytes are in the room now; undefined where there was nothing after all. */
  #receive(): number | undefined {
    try {
      return systemCall('recvfrom', this.#descriptor, room, room.length, MSG_DONTWAIT);
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
      // A client that dies in the middle of a sentence (ECONNRESET) is as gone as any other.
      return errnoName(error) === 'EAGAIN' || errnoName(error) === 'EINTR' ? undefined : 0;
    }
  }
}
