// Workers: the `tazpod` program, started by PID 1 as the operator to unlock, to save or to lock. What it decrypts and what it is
// told as passphrase never comes near PID 1: it gets a connection to the keeper and, where there is one, a descriptor to
// read the passphrase from.

import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';

import { errnoName } from '../lib/errors.ts';
import type { ControlServer } from './control-server.ts';
import type { Operator } from './operator.ts';
import type { Exit, Reaper } from './reaper.ts';
import { spawnAsOperator } from './spawn.ts';
import type { Standby } from './standby.ts';

const CONTROL = 3;
const PASSPHRASE = 4;
/** Death comes at once, but not to what waits for a disk that does not answer: the lock must not wait for that. */
const KILL_PATIENCE = 500; // ms

export type WorkerVerb = 'unlock' | 'save' | 'lock';

export interface WorkerInput {
  /** A descriptor to read the passphrase from. It stays the caller's to close. */
  readonly passphrase?: number | undefined;
  /** A terminal to prompt on: the worker gets the foreground. */
  readonly terminal?: number | undefined;
  /** Directories for an encrypted copy, to be written instead of the vault. */
  readonly rescue?: readonly string[] | undefined;
  /** Nothing that it says comes out. */
  readonly silent?: boolean;
  /** It shows how far it is, where that is a terminal: nobody else is writing to it. */
  readonly progress?: boolean;
}

/** Starts a worker on a connection, and answers its pid. */
export type SpawnWorker = (verb: WorkerVerb, connection: number, input?: WorkerInput) => number;

/** A worker that runs. */
export interface Worker {
  readonly pid: number;
  /** Resolves when it has ended and what it left half-done is undone. */
  readonly ended: Promise<Exit>;
}

export class Workers {
  readonly #spawn: SpawnWorker;
  readonly #server: ControlServer;
  readonly #reaper: Reaper;
  readonly #standby: Standby | undefined;
  readonly #running = new Set<Worker>();

  /** @param standby a worker that waits to be called up */
  constructor(spawn: SpawnWorker, server: ControlServer, reaper: Reaper, standby: Standby | undefined) {
    this.#spawn = spawn;
    this.#server = server;
    this.#reaper = reaper;
    this.#standby = standby;
  }

  /** Those that have not ended yet. */
  get running(): readonly Worker[] {
    return [...this.#running];
  }

  /** @throws CannotRun */
  start(verb: WorkerVerb, input: WorkerInput = {}): Worker {
    const { descriptor, serve } = this.#server.connectWorker(verb !== 'unlock');
    let pid: number;
    let exit: Promise<Exit>;
    let served: Promise<void>;
    try {
      pid = this.#spawn(verb, descriptor, input);
      exit = this.#reaper.exitOf(pid);
    } finally {
      closeSync(descriptor);
      // While it starts. Where nothing was started this ends at once, and gives up the turn.
      served = serve();
      this.#server.serve();
    }
    return this.#started(pid, exit, served);
  }

  /**
   * Starts an unlock with a passphrase that is given, by the worker on standby if there is one.
   * @param passphrase a descriptor to read it from, which stays the caller's to close
   * @throws CannotRun
   */
  startUnlock(passphrase: number): Worker {
    const standby = this.#standby;
    if (standby === undefined || !this.#server.isListening || !standby.callUp(passphrase))
      return this.start('unlock', { passphrase, progress: true });
    const { pid, ended, connection } = standby;
    const served = this.#server.serveWorker(connection);
    this.#server.serve();
    return this.#started(pid, ended, served);
  }

  #started(pid: number, exit: Promise<Exit>, served: Promise<void>): Worker {
    const worker = { pid, ended: this.#end(exit, served) };
    this.#running.add(worker);
    void worker.ended.then(() => this.#running.delete(worker));
    return worker;
  }

  async #end(exit: Promise<Exit>, served: Promise<void>): Promise<Exit> {
    const [ended] = await Promise.all([exit, served]);
    return ended;
  }
}

/**
 * Ends a worker, unless it has ended, and waits until what it left half-done is undone.
 * @param patience milliseconds between TERM and KILL, for one that has something of its own to undo; 0: KILL at once
 */
export async function endWorker(worker: Worker, patience = 0): Promise<void> {
  const { pid } = worker;
  if (await endsWithin(worker, 0)) return;
  if (patience > 0) {
    send(pid, constants.signals.SIGTERM);
    if (await endsWithin(worker, patience)) return;
  }
  killWorker(worker);
  await endsWithin(worker, KILL_PATIENCE);
}

/** Kills a worker, without waiting. It does nothing any more from here on, also where a dead disk keeps it from ending. */
export function killWorker({ pid }: Worker): void {
  send(pid, constants.signals.SIGKILL);
}

/** Whether a worker ends in the time that is given. */
export async function endsWithin({ ended }: Worker, milliseconds: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(resolve, milliseconds, false);
  try {
    return await Promise.race([ended.then(() => true), promise]);
  } finally {
    clearTimeout(timer);
  }
}

function send(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errnoName(error) !== 'ESRCH') throw error;
  }
}

/**
 * Starts a worker.
 * @param connection descriptor of its end of a connection that speaks the control protocol
 * @returns its pid
 * @throws CannotRun
 */
export function spawnWorker(
  operator: Operator,
  environment: readonly Buffer[],
  verb: WorkerVerb,
  connection: number,
  { passphrase, terminal, rescue = [], silent = false, progress = false }: WorkerInput = {},
): number {
  const input = terminal ?? openSync('/dev/null', 'r+');
  // What a worker prints is messages: standard output is the command's.
  const messages = silent ? input : 2;
  const descriptors = new Map([
    [0, input],
    [1, terminal ?? messages],
    [2, messages],
    [CONTROL, connection],
  ]);
  // What was done, PID 1's own log tells.
  const words = ['tazpod', verb, '--quiet', '--control-fd', String(CONTROL)];
  if (progress) words.push('--progress');
  // A directory's name may begin with a hyphen.
  words.push(...rescue.map((directory) => `--rescue=${directory}`));
  if (passphrase !== undefined) {
    descriptors.set(PASSPHRASE, passphrase);
    words.push('--passphrase-fd', String(PASSPHRASE));
  }
  try {
    return spawnAsOperator(operator, {
      file: Buffer.from(process.execPath),
      args: words.map((word) => Buffer.from(word)),
      environment,
      descriptors,
      foreground: terminal === undefined ? undefined : 0,
      session: terminal === undefined,
    });
  } finally {
    if (terminal === undefined) closeSync(input);
  }
}
