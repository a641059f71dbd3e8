// The control socket: takes requests of lib/protocol from the operator's tools and from our own workers, and hands them to
// the keeper. The kernel decides who may talk: the socket is the operator's, mode 0600. A worker's connection is a pair of
// sockets that it inherits, so that it works without a path, too.

import { closeSync } from 'node:fs';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { CONTROL_SOCKET } from '../lib/paths.ts';
import {
  decodeRequest,
  encodeReply,
  LineReader,
  refuse,
  type Replies,
  type Reply,
  type Request,
} from '../lib/protocol.ts';
import { Connection } from './connection.ts';
import type { Hooks } from './hooks.ts';
import type { Keeper } from './keeper.ts';
import type { Log } from './log.ts';
import { nextTurn } from './next-turn.ts';
import { ReadinessPoll } from './readiness.ts';
import { statusOf, type InitFacts } from './status.ts';
import type { Client } from './turns.ts';
import { accept, connectPair } from './unix-socket.ts';

const MOST_CONNECTIONS = 64;
/** Until we look again whether there is a descriptor for who waits. */
const WITHOUT_DESCRIPTORS = 100; // ms
/** A client waits for each answer; one that does not is cut off here. */
const MOST_UNANSWERED = 16;
/**
 * What the boot takes from an unlock to the start of the command, where no hook comes in between. With its answer the worker ends, and the
 * kernel takes milliseconds to undo it: on a machine with one core the command would wait for that.
 */
const TURNS_OF_BOOT = 2;

export class ControlServer {
  readonly #keeper: Keeper;
  readonly #hooks: Hooks;
  readonly #facts: InitFacts;
  readonly #log: Log;
  readonly #workers = new WeakSet<Client>();
  readonly #connections = new Set<() => void>();
  readonly #listener: number | undefined;
  #clients = 0;
  #isServing = false;
  #isDeaf = false;

  /** @param listener a socket that listens for the operator's tools, if there is one */
  constructor(listener: number | undefined, keeper: Keeper, hooks: Hooks, facts: InitFacts, log: Log) {
    this.#listener = listener;
    this.#keeper = keeper;
    this.#hooks = hooks;
    this.#facts = facts;
    this.#log = log;
  }

  /** Serves whoever connects, from now on. */
  serve(): void {
    const listener = this.#listener;
    if (listener === undefined || this.#isServing) return;
    this.#isServing = true;
    const poll = new ReadinessPoll(listener, () => {
      if (this.#accept(listener)) poll.start();
      else setTimeout(() => poll.start(), WITHOUT_DESCRIPTORS);
    });
    poll.start();
  }

  /**
   * Accepts one, whoever comes next: the event loop calls again while somebody waits.
   * @returns false where we have no descriptor for another
   */
  #accept(listener: number): boolean {
    let descriptor: number;
    try {
      descriptor = accept(listener);
    } catch (error) {
      const name = errnoName(error);
      if (name === undefined) throw error;
      // Whoever it was has left.
      if (name === 'EAGAIN' || name === 'ECONNABORTED') return true;
      this.#log.warnOnce(`cannot serve the control socket ${CONTROL_SOCKET}: ${reasonOf(error)}`);
      return false;
    }
    if (this.#isDeaf || this.#clients >= MOST_CONNECTIONS) {
      closeSync(descriptor);
      return true;
    }
    this.#clients++;
    void this.#serve(descriptor).then(() => this.#clients--);
    return true;
  }

  /** Whether the operator's tools can reach us. */
  get isListening(): boolean {
    return this.#listener !== undefined;
  }

  /**
   * A connection for a worker.
   * @param saves it will ask for a save, and has the turn from now on, if nobody has it: it takes a while to start, and a lock
   *   that comes meanwhile waits for it
   * @returns the descriptor that it is to inherit, which the caller closes after the spawn; `serve`, to be called after that,
   *   resolves with the end of the connection
   */
  connectWorker(saves: boolean): { readonly descriptor: number; readonly serve: () => Promise<void> } {
    const { own, other } = connectPair();
    const client = {};
    if (saves) this.#keeper.reserve(client);
    return { descriptor: other, serve: () => this.serveWorker(own, client) };
  }

  /**
   * Serves a worker that has its end of the connection.
   * @param connection our end
   * @returns resolves with the end of the connection
   */
  serveWorker(connection: number, client: Client = {}): Promise<void> {
    this.#workers.add(client);
    return this.#serve(connection, client);
  }

  /**
   * Ends every connection at once, and serves none any more but those of workers that are started from now on. What the
   * clients held is undone or free; a saver among them has no leave to replace the vault, and will get none.
   */
  hangUp(): void {
    this.#isDeaf = true;
    for (const end of this.#connections) end();
  }

  /** Serves nobody any more who has not been served yet. */
  close(): void {
    this.#isDeaf = true;
  }

  /**
   * Serves one connection: request after request, each answered before the next is looked at. Reading goes on meanwhile:
   * a client that leaves while it waits for its turn must be seen to leave.
   */
  async #serve(descriptor: number, client: Client = {}): Promise<void> {
    const reader = new LineReader();
    const left = Promise.withResolvers<void>();
    let isGone = false;
    let unanswered = 0;
    let answers = Promise.resolve();
    const leave = (): void => {
      if (isGone) return;
      isGone = true;
      this.#connections.delete(hangUp);
      this.#keeper.leave(client);
      left.resolve();
    };
    const answer = async (line: string): Promise<void> => {
      // What was asked by a client that has left must not be begun: nobody would end it.
      if (isGone) return;
      const reply = await this.#reply(client, line);
      unanswered--;
      connection.send(encodeReply(reply));
    };
    const received = (bytes: Buffer): void => {
      try {
        for (const line of reader.push(bytes)) {
          if (++unanswered > MOST_UNANSWERED)
            throw new TazpodError('usage', 'cannot take more requests before answers');
          answers = answers.then(() => answer(line));
        }
      } catch (error) {
        leave();
        connection.send(encodeReply(refuse(error)));
        connection.close();
      }
    };
    const connection = new Connection(descriptor, { received, ended: leave });
    const hangUp = (): void => {
      leave();
      connection.close();
    };
    this.#connections.add(hangUp);
    await left.promise;
    await answers;
  }

  async #reply(client: object, line: string): Promise<Reply> {
    try {
      return { ok: true, ...(await this.#perform(client, decodeRequest(line))) };
    } catch (error) {
      if (!(error instanceof TazpodError))
        this.#log.error(`cannot serve a request at the control socket: ${reasonOf(error)}`);
      return refuse(error);
    }
  }

  #perform(client: object, request: Request) {
    switch (request.op) {
      case 'status':
        return statusOf(this.#keeper, this.#facts, request.holders === true);
      case 'open':
        return this.#keeper.open(client);
      case 'commit':
        return this.#commit(client, request.baseline);
      case 'locking':
        return this.#prepareLock();
      case 'save':
        return this.#keeper.save(client);
      case 'replace':
        return this.#keeper.replace(client, request.baseline);
      case 'saved':
        return this.#keeper.saved(client, request.baseline, request.bytes);
      case 'unchanged':
        return this.#keeper.unchanged(client);
      case 'rescued':
        return this.#keeper.rescued(client, request.path);
      case 'close':
        return this.#keeper.close(client, 'kill' in request ? request.caller : undefined);
    }
  }

  /** The hooks of an unlock run before the answer: who has unlocked finds done what they do. At boot it is not ours to wait. */
  async #commit(client: Client, baseline: string): Promise<Replies['commit']> {
    const isNew = this.#keeper.state === 'opening';
    const reply = this.#keeper.commit(client, baseline);
    if (this.#workers.has(client)) {
      for (let turn = 0; turn < TURNS_OF_BOOT; turn++) await nextTurn();
      return reply;
    }
    return isNew ? { ...reply, failedHooks: await this.#hooks.run('unlocked') } : reply;
  }

  async #prepareLock(): Promise<Replies['locking']> {
    return { failedHooks: this.#keeper.state === 'unlocked' ? await this.#hooks.run('locking') : [] };
  }
}
