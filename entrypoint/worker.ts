// Workers: the `tazpod` program, started by PID 1 as the operator to unlock or to save. What it decrypts and what it is
// told as passphrase never comes near PID 1: it gets a connection to the keeper and, where there is one, a descriptor to
// read the passphrase from.

import { closeSync, openSync } from 'node:fs';

import type { ControlServer } from './control-server.ts';
import type { Operator } from './operator.ts';
import type { Exit, Reaper } from './reaper.ts';
import { spawnAsOperator } from './spawn.ts';

const CONTROL = 3;
const PASSPHRASE = 4;

export interface WorkerInput {
  /** A descriptor to read the passphrase from. It stays the caller's to close. */
  readonly passphrase?: number | undefined;
  /** A terminal to prompt on: the worker gets the foreground. */
  readonly terminal?: number | undefined;
}

/** A worker that runs. */
export interface Worker {
  readonly pid: number;
  /** Resolves when it has ended and what it left half-done is undone. */
  readonly ended: Promise<Exit>;
}

export class Workers {
  readonly #operator: Operator;
  readonly #environment: readonly Buffer[];
  readonly #server: ControlServer;
  readonly #reaper: Reaper;
  readonly #running = new Set<Worker>();

  constructor(operator: Operator, environment: readonly Buffer[], server: ControlServer, reaper: Reaper) {
    this.#operator = operator;
    this.#environment = environment;
    this.#server = server;
    this.#reaper = reaper;
  }

  /** Those that have not ended yet. */
  get running(): readonly Worker[] {
    return [...this.#running];
  }

  /** @throws CannotRun */
  start(verb: 'unlock' | 'save', { passphrase, terminal }: WorkerInput = {}): Worker {
    const nothing = terminal ?? openSync('/dev/null', 'r');
    const connection = this.#server.connectWorker();
    // What a worker prints is messages: standard output is the command's.
    const descriptors = new Map([
      [0, nothing],
      [1, terminal ?? 2],
      [2, 2],
      [CONTROL, connection.descriptor],
    ]);
    const words = ['tazpod', verb, '--control-fd', String(CONTROL)];
    if (passphrase !== undefined) {
      descriptors.set(PASSPHRASE, passphrase);
      words.push('--passphrase-fd', String(PASSPHRASE));
    }
    try {
      const pid = spawnAsOperator(this.#operator, {
        file: Buffer.from(process.execPath),
        args: words.map((word) => Buffer.from(word)),
        environment: this.#environment,
        descriptors,
        foreground: terminal === undefined ? undefined : 0,
      });
      const worker = { pid, ended: this.#end(this.#reaper.exitOf(pid), connection.ended) };
      this.#running.add(worker);
      void worker.ended.then(() => this.#running.delete(worker));
      return worker;
    } finally {
      closeSync(connection.descriptor);
      if (terminal === undefined) closeSync(nothing);
    }
  }

  async #end(exit: Promise<Exit>, connectionEnded: Promise<void>): Promise<Exit> {
    const [ended] = await Promise.all([exit, connectionEnded]);
    return ended;
  }
}
