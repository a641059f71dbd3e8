// What PID 1 must answer, thought out anew: the states of an enclave, and clients that take turns.
// An operation is answered at once, or waits for the turn and is answered when another operation has freed it.

export type Op = 'status' | 'open' | 'commit' | 'save' | 'saved' | 'close';
export const OPS: readonly [Op, ...Op[]] = ['status', 'open', 'commit', 'save', 'saved', 'close'];

/** `ok`, or the code of a refusal. */
export type Verdict = 'ok' | 'usage' | 'locked' | 'cannot-mount';

export interface Answer {
  readonly client: number;
  readonly op: Op;
  readonly verdict: Verdict;
  /** What a `status` says. */
  readonly state?: string;
}

export class Model {
  #state: 'locked' | 'opening' | 'unlocked' = 'locked';
  /** Who is opening. */
  #opener: number | undefined;
  #turn: number | undefined;
  #waiting: { readonly client: number; readonly op: Op }[] = [];
  /** Whether the enclave has something to bridge. */
  hasSource = false;

  get state(): string {
    return this.#state;
  }

  isWaiting(client: number): boolean {
    return this.#waiting.some((waiting) => waiting.client === client);
  }

  /** @returns what is answered now: nothing, this operation, or this one and others that waited for the turn */
  request(client: number, op: Op): Answer[] {
    if (TAKES_TURN[op] && this.#turn !== undefined && this.#turn !== client) {
      // Begun already on this very connection: there is nothing to wait for.
      this.#waiting.push({ client, op });
      return [];
    }
    const hadTurn = this.#turn === client;
    if (TAKES_TURN[op]) this.#turn = client;
    const verdict = this.#perform(client, op);
    const keeps = verdict === 'ok' ? op === 'open' || op === 'save' || (op === 'close' && hadTurn) : hadTurn;
    const answer = { client, op, verdict, ...(op === 'status' ? { state: this.#state } : {}) };
    const gives = op === 'commit' ? verdict !== 'usage' : TAKES_TURN[op] && !keeps;
    return [answer, ...(gives ? this.#endTurn(client) : [])];
  }

  /** The client's connection has ended. */
  leave(client: number): Answer[] {
    this.#waiting = this.#waiting.filter((waiting) => waiting.client !== client);
    if (this.#opener === client) this.#lock();
    return this.#endTurn(client);
  }

  #perform(client: number, op: Op): Verdict {
    switch (op) {
      case 'status':
        return 'ok';
      case 'open':
        if (this.#state === 'opening') return 'usage';
        if (this.#state === 'locked') {
          this.#state = 'opening';
          this.#opener = client;
          this.hasSource = false;
        }
        return 'ok';
      case 'commit':
        if (this.#state === 'unlocked') return 'ok';
        if (this.#opener !== client) return 'usage';
        this.#opener = undefined;
        this.#state = this.hasSource ? 'unlocked' : 'locked';
        return this.hasSource ? 'ok' : 'cannot-mount';
      case 'save':
        return this.#state === 'unlocked' ? 'ok' : 'locked';
      case 'saved':
        return this.#turn === client && this.#state === 'unlocked' ? 'ok' : 'usage';
      case 'close':
        this.#lock();
        return 'ok';
    }
  }

  #lock(): void {
    this.#state = 'locked';
    this.#opener = undefined;
  }

  #endTurn(client: number): Answer[] {
    if (this.#turn !== client) return [];
    this.#turn = undefined;
    const next = this.#waiting.shift();
    return next === undefined ? [] : this.request(next.client, next.op);
  }
}

const TAKES_TURN: Readonly<Record<Op, boolean>> = {
  status: false,
  open: true,
  commit: false,
  save: true,
  saved: false,
  close: true,
};
