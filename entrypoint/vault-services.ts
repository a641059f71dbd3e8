// All that PID 1 does about the vault, put together: who keeps the enclave, who serves clients, works, saves, watches and runs
// hooks. A PID 1 that is not the container's first has none of it, and is an init all the same.

import { onExit, signals as signalExitSignals } from 'signal-exit';

import { Autolock } from './autolock.ts';
import { Autosave } from './autosave.ts';
import type { Configuration } from './configuration.ts';
import { ControlServer } from './control-server.ts';
import { withoutVariable } from './environment.ts';
import { Hooks } from './hooks.ts';
import { Keeper } from './keeper.ts';
import { LastSave } from './last-save.ts';
import type { Log } from './log.ts';
import type { Operator } from './operator.ts';
import type { Reaper } from './reaper.ts';
import { CannotRun } from './spawn.ts';
import type { Standby } from './standby.ts';
import type { Stop } from './stop.ts';
import { spawnWorker, Workers, type SpawnWorker } from './worker.ts';

// The supervisor owns the signals. signal-exit would listen to more of them (ABRT, SYS, …), and end the process by a
// signal to itself, which PID 1 does not get: only its exit hooks are wanted.
signalExitSignals.length = 0;

/** What they stand on. */
export interface VaultSetting {
  /** The control socket, if there is one. */
  readonly listener: number | undefined;
  readonly operator: Operator;
  /** The command's. */
  readonly environment: readonly Buffer[];
  readonly configuration: Configuration;
  /** The signals that are stop requests. */
  readonly stopSignals: ReadonlySet<number>;
  readonly reaper: Reaper;
  readonly stop: Stop;
  readonly standby: Standby | undefined;
  /** Resolves when the command runs: until then nothing is watched. */
  readonly commandRuns: Promise<void>;
}

export class VaultServices {
  readonly keeper: Keeper;
  readonly server: ControlServer;
  readonly workers: Workers;
  readonly hooks: Hooks;
  readonly lastSave: LastSave;
  readonly #autosave: Autosave | undefined;
  readonly #autolock: Autolock | undefined;
  readonly #log: Log;
  #isOver = false;

  constructor(setting: VaultSetting, log: Log) {
    const { listener, operator, environment, configuration, stopSignals, reaper, stop, standby, commandRuns } = setting;
    const { enclaveSize, hookTimeout, stopTimeout, rescueDirectory, autosave, autolock } = configuration;
    this.#log = log;
    this.keeper = new Keeper(operator, enclaveSize, log);
    this.hooks = new Hooks({ operator, environment, reaper, stop, timeout: hookTimeout }, log);
    const facts = { stopSignals, stopTimeout, autosave: () => this.#autosave?.state ?? 'off' };
    this.server = new ControlServer(listener, this.keeper, this.hooks, facts, log);
    // A worker takes the passphrase that it is given, or asks: the file is PID 1's to open.
    const forWorkers = withoutVariable(environment, 'TAZPOD_PASSPHRASE_FILE');
    const spawn: SpawnWorker = (verb, connection, input) => spawnWorker(operator, forWorkers, verb, connection, input);
    this.workers = new Workers(spawn, this.server, reaper, standby);
    const { keeper, server, workers } = this;
    this.lastSave = new LastSave({ keeper, server, workers, stop, spawn }, rescueDirectory, log);
    if (autosave) keeper.follow((this.#autosave = new Autosave(keeper, workers, commandRuns, log)));
    if (autolock === 'last-shell') {
      keeper.follow((this.#autolock = new Autolock(operator, workers, commandRuns, log)));
    }
    onExit(() => void keeper.lockNow());
  }

  get isUnlocked(): boolean {
    return this.keeper.state === 'unlocked';
  }

  /** A stop was asked for: what can be saved is saved while the command still has its time. */
  checkpoint(): void {
    if (this.#isOver || !this.isUnlocked || this.workers.running.length > 0) return;
    try {
      this.workers.start('save');
    } catch (error) {
      if (!(error instanceof CannotRun)) throw error;
      // What keeps it from being started may end with the command, as where there is no room for another process.
      this.#log.warn(`cannot save before the last save: ${error.message}`);
    }
  }

  /** The command has ended, whatever else still runs: hooks may use all that is there. */
  async runLastHooks(): Promise<void> {
    this.keeper.refuseUnlocks();
    await this.hooks.run('stopping');
    if (this.isUnlocked) await this.hooks.run('locking');
  }

  /** Nothing begins any more by itself: no unlock, no save, no lock, no hook. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#autosave?.end();
    this.#autolock?.end();
    this.keeper.refuseUnlocks();
    await this.hooks.end();
  }
}
