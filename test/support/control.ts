// A client of the control socket that keeps to no manners but those of the test: lines as they are, answers one by one.
// It connects from outside, through /proc, as root of this machine: who may connect is another question.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { CONTROL_SOCKET } from '../../lib/paths.ts';
import { decodeReply, encodeRequest, type Op, type Replies, type Request } from '../../lib/protocol.ts';
import { Output } from './output.ts';
import type { Running } from './sandbox.ts';

export class Control implements Disposable {
  readonly #socket: Socket;
  readonly #answers: Output;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#answers = new Output(socket);
  }

  static async connect(running: Running): Promise<Control> {
    const socket = connect(running.rootPath(CONTROL_SOCKET));
    await once(socket, 'connect');
    return new Control(socket);
  }

  /** Writes bytes as they are. */
  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next line that is answered. */
  async answer(): Promise<unknown> {
    const [line] = await this.#answers.waitFor(/[^\n]*\n/);
    return JSON.parse(line);
  }

  /** @throws TazpodError what PID 1 refuses with */
  async request<O extends Op>(request: Extract<Request, { op: O }>): Promise<Replies[O]> {
    this.write(encodeRequest(request));
    return decodeReply(request.op, JSON.stringify(await this.answer()));
  }

  /** Resolves when PID 1 has ended the connection. */
  async ended(): Promise<string> {
    return this.#answers.whole();
  }

  /** Ends the connection, and waits until PID 1 has seen it. */
  async end(): Promise<void> {
    this.#socket.end();
    await this.#answers.whole();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
