// The tool's end of the control protocol: one connection, one request at a time. Without node:net, which takes longer to load and to
// set up than PID 1 to answer.
// What PID 1 holds for us (an unlock that is not committed, the saver's lock) it gives up when the connection ends.

import { fstatSync, read, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { CONTROL_SOCKET } from '../lib/paths.ts';
import {
  decodeReply,
  encodeRequest,
  LineReader,
  MAX_REPLY_BYTES,
  type Op,
  type Replies,
  type Request,
} from '../lib/protocol.ts';
import type { Arguments } from './arguments.ts';
import { connectSocket, hangUp, makeBlocking } from './native.ts';

/** How long PID 1 may take to accept a connection, or to answer where waiting is not the point, in seconds. */
const PATIENCE = 5;
const PIECE_BYTES = 16 * 1024;

export class ControlClient implements Disposable {
  #descriptor: number;
  readonly #reader = new LineReader(MAX_REPLY_BYTES);

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /**
   * The connection that the command line names, or else one to PID 1's socket.
   * @throws TazpodError `unreachable`
   */
  static of(given: Arguments): ControlClient {
    const descriptor = given.descriptor('control-fd');
    return descriptor === undefined ? ControlClient.connect() : ControlClient.inherit(descriptor);
  }

  /** @throws TazpodError `unreachable` */
  static connect(path: string = CONTROL_SOCKET): ControlClient {
    try {
      return new ControlClient(connectSocket(path, PATIENCE));
    } catch (error) {
      throw errnoName(error) === 'EAGAIN' ? unanswered() : refusedConnection(path, error);
    }
  }

  /**
   * A connection that PID 1 left to us, already made.
   * @throws TazpodError `unreachable` when the descriptor is no socket
   */
  static inherit(descriptor: number): ControlClient {
    if (!isSocket(descriptor)) throw unreachable(`descriptor ${descriptor} is no connection to it`);
    makeBlocking(descriptor);
    return new ControlClient(descriptor);
  }

  /**
   * Sends one request and waits for its reply, as long as it takes.
   * @throws TazpodError what PID 1 answered, or `unreachable` when the connection ends first
   */
  async request<O extends Op>(request: Extract<Request, { op: O }>): Promise<Replies[O]> {
    this.tell(request);
    return decodeReply<O>(request.op, await this.#line());
  }

  /** Sends one request to a PID 1 that answers nothing any more, but reads. @throws TazpodError `unreachable` */
  tell(request: Request): void {
    const bytes = Buffer.from(encodeRequest(request));
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at);
    } catch (error) {
      throw ended(error);
    }
  }

  /** As `request`, where an answer is due at once. */
  async requestBriefly<O extends Op>(request: Extract<Request, { op: O }>): Promise<Replies[O]> {
    return await within(PATIENCE, this.request<O>(request));
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== -1) hangUp(this.#descriptor);
    this.#descriptor = -1;
  }

  /** The next line that PID 1 says: another thread waits for it. */
  async #line(): Promise<string> {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    for (;;) {
      const [line] = this.#lines(piece.subarray(0, await this.#read(piece)));
      if (line !== undefined) return line;
    }
  }

  async #read(piece: Buffer): Promise<number> {
    let bytesRead: number;
    try {
      ({ bytesRead } = await readPromised(this.#descriptor, piece, 0, piece.length, null));
    } catch (error) {
      throw ended(error);
    }
    if (bytesRead === 0) throw ended();
    return bytesRead;
  }

  #lines(piece: Buffer): string[] {
    try {
      return this.#reader.push(piece);
    } catch (error) {
      throw unreachable('it answers with something else than replies', error);
    }
  }
}

const readPromised = promisify(read);

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket();
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return false;
  }
}

async function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(unanswered()), seconds * 1000);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function unanswered(): TazpodError {
  return unreachable(`it has not answered for ${PATIENCE} s`);
}

/** It is gone, or has cut us off: whether we were writing or reading then makes no difference to anybody. */
function ended(cause?: unknown): TazpodError {
  const isEnd = cause === undefined || ['EPIPE', 'ECONNRESET'].includes(errnoName(cause) ?? '');
  return unreachable(isEnd ? 'it has ended the connection' : reasonOf(cause), cause);
}

function unreachable(why: string, cause?: unknown): TazpodError {
  return new TazpodError('unreachable', `cannot reach PID 1: ${why}`, {
    hint: 'see what the container logged; tazpod-entrypoint has to be its init',
    cause,
  });
}

/** What a failed connect(2) means to a person, and what to do about it. */
const REFUSALS: Readonly<Record<string, readonly [string, string]>> = {
  ENOENT: [
    'there is no such socket',
    'is tazpod-entrypoint the entrypoint of this container? "tazpod vault" works without it',
  ],
  ECONNREFUSED: ['nobody answers there', 'tazpod-entrypoint has ended: start the container anew'],
  EACCES: ['permission denied', 'only the operator may talk to it: call tazpod as that account (docker exec -u)'],
};

function refusedConnection(path: string, error: unknown): TazpodError {
  const [reason = reasonOf(error), hint] = REFUSALS[errnoName(error) ?? ''] ?? [];
  return new TazpodError('unreachable', `cannot reach PID 1 at ${path}: ${reason}`, { hint, cause: error });
}
