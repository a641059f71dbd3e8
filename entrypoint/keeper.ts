// The enclave's keeper: its states, and who may change them.
//   locked → opening (one client's transaction) → unlocked → locked
// Clients take turns: an unlock holds the turn until it commits, a save until its connection ends. A client that leaves
// before it committed takes its unlock back with it: the enclave is wholly there, or not there at all.

import { reasonOf, TazpodError } from '../lib/errors.ts';
import { type EnclaveFacts, MOST_HOLDERS, type Replies, type VaultState } from '../lib/protocol.ts';
import { restoreAside } from './aside.ts';
import { bridgeAws, unbridgeAws, type Bridge } from './bridge.ts';
import { destroyEnclave } from './destruction.ts';
import { giveEnclave, openEnclave, type Enclave } from './enclave.ts';
import { endHolders } from './end-holders.ts';
import { holdersOf } from './holders.ts';
import { prepareIdentity } from './identity.ts';
import type { Log } from './log.ts';
import type { Operator } from './operator.ts';
import { giveToOperator } from './ownership.ts';
import { prepareRescueDirectory } from './rescue.ts';
import { type Client, Turns } from './turns.ts';
import { wipe } from './wipe.ts';

/** Who follows what becomes of the enclave. */
export interface Follower {
  unlocked(enclave: Enclave): void;
  /** A save has written a vault of so many bytes. */
  saved?(bytes: number): void;
  /** A lock begins: nothing may use the enclave any more. */
  locks(): void;
}

/** Of a kernel with the slowest clock (CONFIG_HZ=100), in milliseconds. */
const TICK = 10;

type State =
  | { readonly name: 'locked' }
  | { readonly name: 'opening'; readonly enclave: Enclave; readonly client: Client }
  | {
      readonly name: 'unlocked';
      readonly enclave: Enclave;
      readonly bridge: Bridge;
      readonly baseline: string;
      /** What the vault will be when the saver that was given leave has done it. */
      readonly pending?: string | undefined;
      /** What has not changed since then is in the vault. */
      readonly safe?: number;
    }
  | { readonly name: 'closing'; readonly enclave: Enclave; readonly bridge: Bridge | undefined };

export class Keeper {
  readonly #operator: Operator;
  readonly #size: number;
  readonly #log: Log;
  #state: State = { name: 'locked' };
  #since = Date.now();
  readonly #turns = new Turns();
  #onRescued: (path: string) => void = () => {};
  #ending = false;
  #saved: { readonly at: number; readonly bytes: number } | undefined;
  /** When the save that has the turn was let in: it packs what is there from then on. */
  #saveBegan = 0;
  #command: number | undefined;
  readonly #followers: Follower[] = [];
  readonly #unlocked = Promise.withResolvers<undefined>();

  /** @param size bytes of an enclave that we mount */
  constructor(operator: Operator, size: number, log: Log) {
    this.#operator = operator;
    this.#size = size;
    this.#log = log;
  }

  get state(): VaultState {
    return this.#state.name;
  }

  /** Resolves with the first unlock, when its client is answered. */
  get whenUnlocked(): Promise<undefined> {
    return this.#unlocked.promise;
  }

  /** When the state began, in milliseconds since the epoch. */
  get since(): number {
    return this.#since;
  }

  /** The last save that wrote a vault. */
  get lastSaved(): Replies['status']['saved'] {
    return this.#saved;
  }

  /** What there is to tell of an unlocked enclave; undefined unless it is. */
  facts(withHolders: boolean): EnclaveFacts | undefined {
    if (this.#state.name !== 'unlocked') return undefined;
    const { enclave, bridge, baseline, pending, safe } = this.#state;
    const { device, ours } = enclave;
    return {
      device,
      ours,
      bridge: bridge.kind,
      baseline,
      ...(pending === undefined ? {} : { pending }),
      ...(safe === undefined ? {} : { safe }),
      ...(withHolders ? { holders: holdersOf(device, this.#operator).slice(0, MOST_HOLDERS) } : {}),
    };
  }

  /** Whether a client has the turn: an unlock, a save or a lock is under way. */
  get isBusy(): boolean {
    return this.#turns.isTaken;
  }

  follow(follower: Follower): void {
    this.#followers.push(follower);
  }

  /** The container's command runs: a lock that ends processes spares it, for the container would end with it. */
  commandRuns(pid: number): void {
    this.#command = pid;
  }

  /** No unlock begins from now on: the container is about to end. */
  refuseUnlocks(): void {
    this.#ending = true;
  }

  /**
   * Looks at what an earlier life left in the enclave, which the engine keeps mounted: what a torn unlock left is wiped, and
   * so is an unlocked vault that is not to be kept.
   * @returns whether an unlocked vault is there, to be opened without a passphrase
   * @throws TazpodError `cannot-mount`
   */
  recover(keep: boolean): boolean {
    const { root, cached } = openEnclave(this.#operator, this.#size, this.#log);
    using _closing = root;
    if (cached && !keep) {
      wipe(root);
      giveEnclave(root, this.#operator);
    }
    return cached && keep;
  }

  /** @throws TazpodError `cannot-mount`, or `locked` when the container is about to end */
  async open(client: Client): Promise<Replies['open']> {
    const hadTurn = this.#turns.has(client);
    await this.#turns.take(client);
    try {
      if (this.#state.name === 'opening') throw new TazpodError('usage', 'cannot open twice on one connection');
      if (this.#state.name === 'unlocked') {
        const { device, size } = this.#state.enclave;
        return { device, size, cached: true };
      }
      if (this.#ending) throw new TazpodError('locked', 'cannot unlock: the container is stopping');
      const enclave = openEnclave(this.#operator, this.#size, this.#log);
      this.#enter({ name: 'opening', enclave, client });
      return { device: enclave.device, size: enclave.size, cached: enclave.cached };
    } catch (error) {
      // What was refused takes away no turn that was there before: an unlock that goes on needs it to its end.
      if (!hadTurn) this.#turns.end(client);
      throw error;
    }
  }

  /** @throws TazpodError `usage` without `open`; `cannot-mount` when `.aws` cannot be bridged, and all is undone */
  commit(client: Client, baseline: string): Replies['commit'] {
    const state = this.#state;
    if (state.name === 'unlocked') {
      this.#turns.end(client);
      const { kind, covers } = state.bridge;
      return { bridge: kind, covers };
    }
    if (state.name !== 'opening' || state.client !== client) {
      throw new TazpodError('usage', 'cannot commit an unlock that was not opened on this connection');
    }
    const { enclave } = state;
    try {
      prepareIdentity(this.#operator, this.#log);
      const bridge = bridgeAws(enclave, this.#operator, this.#log);
      this.#enter({ name: 'unlocked', enclave, bridge, baseline });
      // What only serves what may come later undoes no unlock.
      this.#attempt('make a directory for rescue copies', () => prepareRescueDirectory(this.#operator));
      this.#log.info('vault unlocked');
      for (const follower of this.#followers)
        this.#attempt('follow what becomes of the enclave', () => follower.unlocked(enclave));
      this.#unlocked.resolve(undefined);
      return { bridge: bridge.kind, covers: bridge.covers };
    } catch (error) {
      this.#rollBack(enclave);
      throw error;
    } finally {
      this.#turns.end(client);
    }
  }

  /** Gives a client the turn before it asks, if it is free. */
  reserve(client: Client): void {
    this.#turns.reserve(client);
  }

  /** @throws TazpodError `locked` */
  async save(client: Client): Promise<Replies['save']> {
    const hadTurn = this.#turns.has(client);
    await this.#turns.take(client);
    const grant = this.prepareSave();
    // Files carry the time of the kernel's last tick.
    this.#saveBegan = Date.now() - TICK;
    if (grant !== undefined) return grant;
    if (!hadTurn) this.#turns.end(client);
    throw new TazpodError('locked', 'cannot save: the vault is locked', { hint: 'unlock it with `tazpod unlock`' });
  }

  /**
   * Makes everything in the enclave the operator's, whoever has the turn.
   * @returns what a save has to know; undefined unless the vault is unlocked
   */
  prepareSave(): Replies['save'] | undefined {
    if (this.#state.name !== 'unlocked') return undefined;
    const { enclave, baseline, pending } = this.#state;
    giveToOperator(enclave, this.#operator);
    return { device: enclave.device, baseline, ...(pending === undefined ? {} : { pending }) };
  }

  /**
   * Gives a saver leave to put in its place on disk what it has packed. Whatever it read until now it read before any wipe
   * of this enclave: a lock that does not wait for its turn has made the state another, and no unlock can have come since.
   * @throws TazpodError `usage` without `save`, `locked` when the enclave is being wiped, or is wiped
   */
  replace(client: Client, baseline: string | undefined): Replies['replace'] {
    if (!this.#turns.has(client)) {
      throw new TazpodError('usage', 'cannot give leave for a save that was not begun on this connection');
    }
    if (this.#state.name !== 'unlocked') {
      throw new TazpodError('locked', 'cannot save: the vault was locked meanwhile, and the vault file is as it was');
    }
    if (baseline !== undefined) this.#state = { ...this.#state, pending: baseline };
    return { granted: true };
  }

  /** @throws TazpodError `usage` without `save` */
  rescued(client: Client, path: string): Replies['rescued'] {
    if (!this.#turns.has(client)) {
      throw new TazpodError('usage', 'cannot take note of a copy that was not begun on this connection');
    }
    this.#onRescued(path);
    return { path };
  }

  /** The path of the next copy that a saver reports. */
  nextRescue(): Promise<string> {
    return new Promise((resolve) => (this.#onRescued = resolve));
  }

  /** @throws TazpodError `usage` without `save` */
  saved(client: Client, baseline: string, bytes: number): Replies['saved'] {
    if (!this.#turns.has(client) || this.#state.name !== 'unlocked') {
      throw new TazpodError('usage', 'cannot take note of a save that was not begun on this connection');
    }
    this.#state = { ...this.#state, baseline, pending: undefined, safe: this.#saveBegan };
    this.#saved = { at: Date.now(), bytes };
    for (const follower of this.#followers) follower.saved?.(bytes);
    return { baseline };
  }

  /** @throws TazpodError `usage` without `save` */
  unchanged(client: Client): Replies['unchanged'] {
    if (!this.#turns.has(client) || this.#state.name !== 'unlocked') {
      throw new TazpodError('usage', 'cannot take note of a save that was not begun on this connection');
    }
    this.#state = { ...this.#state, safe: this.#saveBegan };
    return { safe: this.#saveBegan };
  }

  /**
   * Locks, without a save: that is the client's to do before, in the same turn.
   * @param caller the process on whose behalf those that hold the enclave are to be ended first; undefined: none are
   */
  async close(client: Client, caller?: number): Promise<Replies['close']> {
    const hadTurn = this.#turns.has(client);
    await this.#turns.take(client);
    try {
      if (caller === undefined || this.#state.name !== 'unlocked') return this.lockNow();
      const spared = [caller, ...(this.#command === undefined ? [] : [this.#command])];
      const ended = await endHolders(this.#state.enclave.device, this.#operator, spared);
      for (const { pid, command } of ended) this.#log.info(`ended process ${pid} (${command}), which held the enclave`);
      if (!this.#turns.has(client)) throw new TazpodError('unreachable', 'cannot lock for a client that has left');
      return { ...this.lockNow(), ended: ended.slice(0, MOST_HOLDERS) };
    } finally {
      if (!hadTurn) this.#turns.end(client);
    }
  }

  /** A connection has ended: whatever it held is undone or free. */
  leave(client: Client): void {
    if (this.#state.name === 'opening' && this.#state.client === client) this.#rollBack(this.#state.enclave);
    this.#turns.leave(client);
  }

  /**
   * Locks at once, whoever has the turn: unmounts the bridge, wipes and unmounts the enclave. Synchronous from the first
   * step to the last, so that it also serves when nothing else works any more.
   */
  lockNow(): Replies['close'] {
    const state = this.#state;
    if (state.name === 'locked') return { unmounted: true, holders: [], ended: [] };
    const { enclave } = state;
    const bridge = state.name === 'opening' ? undefined : state.bridge;
    // Should an error end it half-way, the next one begins anew.
    this.#enter({ name: 'closing', enclave, bridge });
    for (const follower of this.#followers) this.#attempt('stop watching the enclave', () => follower.locks());
    if (bridge !== undefined) this.#attempt('unmount the AWS bridge', () => unbridgeAws(bridge, this.#operator));
    const report = this.#destroy(enclave);
    this.#enter({ name: 'locked' });
    if (state.name !== 'opening') this.#log.info('vault locked');
    for (const { pid, command } of report.holders) {
      this.#log.warn(`process ${pid} (${command}) still holds the enclave, which is empty now`);
    }
    return report;
  }

  #rollBack(enclave: Enclave): void {
    this.#enter({ name: 'closing', enclave, bridge: undefined });
    // What was unlocked before this transaction is not its to destroy.
    if (enclave.cached) enclave.root.close();
    else this.#destroy(enclave);
    this.#attempt('put ~/.aws back', () => restoreAside(this.#operator));
    this.#enter({ name: 'locked' });
  }

  #destroy(enclave: Enclave): Replies['close'] {
    return destroyEnclave(enclave, this.#operator, (what, step) => this.#attempt(what, step), this.#log);
  }

  /** A lock goes on whatever fails on its way. */
  #attempt<T>(what: string, step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      try {
        this.#log.error(`cannot ${what}: ${reasonOf(error)}`);
      } catch {
        // Where nothing can be said, all the more has to be done.
      }
      return undefined;
    }
  }

  #enter(state: State): void {
    this.#state = state;
    this.#since = Date.now();
  }
}
