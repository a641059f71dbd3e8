// Clients take turns: one has it until it gives it back or leaves; the others wait, and get it in the order in which they asked.

import { TazpodError } from '../lib/errors.ts';

/** One end of a connection: only its identity counts. */
export type Client = object;

interface Waiting {
  readonly client: Client;
  readonly enter: () => void;
  readonly giveUp: (reason: TazpodError) => void;
}

export class Turns {
  #holder: Client | undefined;
  #queue: Waiting[] = [];

  /** Whether anybody has the turn. */
  get isTaken(): boolean {
    return this.#holder !== undefined;
  }

  has(client: Client): boolean {
    return this.#holder === client;
  }

  /** Gives a client the turn before it asks, if it is free. */
  reserve(client: Client): void {
    this.#holder ??= client;
  }

  /**
   * Resolves when the client has the turn.
   * @throws TazpodError `unreachable` if it leaves before
   */
  take(client: Client): Promise<void> {
    if (this.#holder === undefined || this.#holder === client) {
      this.#holder = client;
      return Promise.resolve();
    }
    return new Promise((enter, giveUp) => this.#queue.push({ client, enter, giveUp }));
  }

  /** The next one's turn; nothing happens where it was not this client's. */
  end(client: Client): void {
    if (this.#holder !== client) return;
    const next = this.#queue.shift();
    this.#holder = next?.client;
    next?.enter();
  }

  /** The client has left: it waits no more, and has no turn. */
  leave(client: Client): void {
    const gone = new TazpodError('unreachable', 'cannot wait for a client that has left');
    for (const waiting of this.#queue) if (waiting.client === client) waiting.giveUp(gone);
    this.#queue = this.#queue.filter((waiting) => waiting.client !== client);
    this.end(client);
  }
}
