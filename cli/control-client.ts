// The tool's end of the control protocol: one connection, one request at a time.
// What PID 1 holds for us (an unlock that is not committed, the saver's lock) it gives up when the connection ends.

import { connect, Socket } from 'node:net';
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

/** How long PID 1 may take to accept a connection, or to answer where waiting is not the point, in milliseconds. */
const PATIENCE = 5000;

interface Waiting {
  readonly resolve: (line: string) => void;
  readonly reject: (error: unknown) => void;
}

export class ControlClient implements Disposable {
  readonly #socket: Socket;
  readonly #reader = new LineReader(MAX_REPLY_BYTES);
  #waiting: Waiting | undefined;
  #failure: TazpodError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(unreachable(reasonOf(error), error)));
    socket.on('close', () => this.#fail(unreachable('it has ended the connection')));
  }

  /**
   * The connection that the command line names, or else one to PID 1's socket.
   * @throws TazpodError `unreachable`
   */
  static async of(given: Arguments): Promise<ControlClient> {
    const descriptor = given.descriptor('control-fd');
    return descriptor === undefined ? await ControlClient.connect() : ControlClient.inherit(descriptor);
  }

  /** @throws TazpodError `unreachable` */
  static async connect(path: string = CONTROL_SOCKET): Promise<ControlClient> {
    const socket = connect(path);
    const connected = Promise.withResolvers<void>();
    socket.once('connect', connected.resolve);
    socket.once('error', connected.reject);
    try {
      await within(PATIENCE, connected.promise);
    } catch (error) {
      socket.destroy();
      throw error instanceof TazpodError ? error : refusedConnection(path, error);
    }
    return new ControlClient(socket);
  }

  /**
   * A connection that PID 1 left to us, already made.
   * @throws TazpodError `unreachable` when the descriptor is no socket
   */
  static inherit(descriptor: number): ControlClient {
    try {
      return new ControlClient(new Socket({ fd: descriptor, readable: true, writable: true }));
    } catch (error) {
      throw unreachable(`descriptor ${descriptor} is no connection to it`, error);
    }
  }

  /**
   * Sends one request and waits for its reply, as long as it takes.
   * @throws TazpodError what PID 1 answered, or `unreachable` when the connection ends first
   */
  async request<O extends Op>(request: Extract<Request, { op: O }>): Promise<Replies[O]> {
    if (this.#failure) throw this.#failure;
    const reply = Promise.withResolvers<string>();
    this.#waiting = reply;
    this.#socket.write(encodeRequest(request));
    return decodeReply<O>(request.op, await reply.promise);
  }

  /** Sends one request to a PID 1 that answers nothing any more, but reads. */
  tell(request: Request): void {
    this.#socket.write(encodeRequest(request));
  }

  /** As `request`, where an answer is due at once. */
  async requestBriefly<O extends Op>(request: Extract<Request, { op: O }>): Promise<Replies[O]> {
    return await within(PATIENCE, this.request<O>(request));
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const line of this.#reader.push(chunk)) {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        waiting?.resolve(line);
      }
    } catch (error) {
      this.#socket.destroy();
      this.#fail(unreachable('it answers with something else than replies', error));
    }
  }

  #fail(error: TazpodError): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(unreachable(`it has not answered for ${milliseconds / 1000} s`)), milliseconds);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
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
