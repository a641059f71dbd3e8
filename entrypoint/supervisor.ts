// The life of the container, from top to bottom: prepare, unlock, run the command, forward and reap until it ends, drain,
// save, lock. Whatever happens on the way, the lock is the last thing that does.

import { closeSync } from 'node:fs';
import { constants } from 'node:os';

import { reasonOf, TazpodError } from '../lib/errors.ts';
import type { Arguments } from './arguments.ts';
import { Autolock } from './autolock.ts';
import { Autosave } from './autosave.ts';
import { BootAborted, unlockAtBoot } from './boot-unlock.ts';
import { restoreAside } from './bridge.ts';
import { confineChildren, requireCapabilities } from './capabilities.ts';
import type { Configuration } from './configuration.ts';
import { ControlServer } from './control-server.ts';
import { giveStandardStreams } from './descriptors.ts';
import { drain, KILL_PATIENCE } from './drain.ts';
import { prepareMountPoint } from './enclave.ts';
import { environmentBytes, operatorEnvironment, withoutVariable } from './environment.ts';
import { Hooks } from './hooks.ts';
import { prepareIdentity } from './identity.ts';
import { Keeper } from './keeper.ts';
import { LastSave, LOST } from './last-save.ts';
import type { Log } from './log.ts';
import { findOperator, type Operator } from './operator.ts';
import { describeProcess } from './process-life.ts';
import { applyAttributes, becomeSubreaper, nameProcess, setParentDeathSignal } from './process-attributes.ts';
import { exitStatusOf, Reaper, type Exit } from './reaper.ts';
import { claimRuntimeDirectory } from './runtime-directory.ts';
import { SignalRouter } from './signal-router.ts';
import type { SignalListener } from './signals.ts';
import { CannotRun, spawnAsOperator } from './spawn.ts';
import { Stop } from './stop.ts';
import { foregroundTerminal, takeForeground } from './terminal.ts';
import type { Transfer } from './transfer.ts';
import { trimSoon } from './trim.ts';
import { endsWithin, endWorker, spawnWorker, Workers, type SpawnWorker } from './worker.ts';
import { followWorkspace } from './workspace-owner.ts';

/** What a container that failed by our own fault ends with, as docker's. */
export const OWN_FAILURE = 125;

const { SIGINT, SIGKILL, SIGTERM } = constants.signals;
/** Between TERM and KILL, for what is left when the command is gone. */
const DRAIN_GRACE = 2000; // ms
/** What the kernel gets to end what was killed, however late it is. */
const LEAST_KILL_PATIENCE = 100; // ms
/** How long a save that is under way may take when the command is gone. */
const WORKER_PATIENCE = 1000; // ms
/** Of processes that are about to be ended so many are named. */
const MOST_NAMED = 5;
/** What a drain leaves of a deadline for the last save, and for a rescue when that fails. */
const KEPT_FOR_SAVE = 2500; // ms

/** What was there when we were started. */
export interface Inherited {
  readonly args: Arguments;
  readonly configuration: Configuration;
  /** For the command; 0–2 among them. */
  readonly descriptors: readonly number[];
  /** A pipe with the passphrase of the environment. */
  readonly passphrase: number | undefined;
}

export class Supervisor {
  readonly #args: Arguments;
  readonly #configuration: Configuration;
  readonly #descriptors: readonly number[];
  readonly #passphrase: number | undefined;
  readonly #log: Log;
  readonly #terminal = foregroundTerminal();
  readonly #reaper: Reaper;
  readonly #router: SignalRouter;
  readonly #stop: Stop;
  readonly #stopSignals: ReadonlySet<number>;
  #server: ControlServer | undefined;
  #workers: Workers | undefined;
  #keeper: Keeper | undefined;
  #lastSave: LastSave | undefined;
  #autosave: Autosave | undefined;
  #autolock: Autolock | undefined;
  #transfer: Transfer | undefined;
  #hooks: Hooks | undefined;
  #command: number | undefined;
  readonly #commandRuns = Promise.withResolvers<void>();

  constructor({ args, configuration, descriptors, passphrase }: Inherited, log: Log) {
    this.#args = args;
    this.#configuration = configuration;
    this.#descriptors = descriptors;
    this.#passphrase = passphrase;
    this.#log = log;
    this.#reaper = new Reaper((pid) => {
      if (args.warnReaped) log.warn(`reaped the orphan ${pid}`);
      else log.debug(`reaped the orphan ${pid}`);
    });
    const onTerminal = this.#terminal !== undefined;
    this.#stopSignals = configuration.stopSignals ?? new Set(onTerminal ? [SIGTERM] : [SIGTERM, SIGINT]);
    this.#router = new SignalRouter(this.#stopSignals, () => this.#stopRequested(), log);
    this.#stop = new Stop(configuration.stopTimeout, onTerminal, (signal) => this.#router.send(signal), log);
  }

  /** Who takes the signals. */
  get signals(): SignalListener {
    return { relay: this.#router.relay, signal: this.#router.route, child: () => this.#reaper.reap() };
  }

  /** Locks at once, for the ways out that do not lead through `run`. */
  lockNow(): void {
    this.#keeper?.lockNow();
  }

  /** After an error that nobody expected: saves what can be saved in a few seconds, and locks. Synchronous throughout. */
  emergency(): void {
    try {
      this.#lastSave?.saveNow();
    } catch (error) {
      this.#log.error(`cannot save the vault: ${reasonOf(error)}; ${LOST}`);
    } finally {
      this.lockNow();
    }
  }

  /**
   * Lives the container's life.
   * @returns the exit status: the command's, or what ended the boot
   */
  async run(): Promise<number> {
    try {
      const operator = this.#becomeInit();
      const environment = operatorEnvironment(environmentBytes(), operator);
      await this.#prepare(operator, environment);
      await this.#unlock(operator);
      await this.#runUnlockedHooks();
      const exit = await this.#runCommand(operator, environment);
      await this.#runLastHooks();
      await this.#endProcesses();
      await this.#lastSave?.save();
      const status = exitStatusOf(exit);
      return this.#args.remapped.has(status) ? 0 : status;
    } catch (error) {
      if (error instanceof BootAborted) {
        await this.#endAbortedBoot();
        return error.status;
      }
      if (error instanceof CannotRun) {
        this.#log.error(error.message);
        return error.status;
      }
      if (!(error instanceof TazpodError)) throw error;
      this.#log.error(error.message, error.hint);
      return OWN_FAILURE;
    } finally {
      this.#stop.cancel();
      this.#keeper?.lockNow();
      this.#server?.close();
      await this.#log.settle();
    }
  }

  #becomeInit(): Operator {
    const { subreaper, parentDeathSignal } = this.#args;
    nameProcess('tazpod-init');
    applyAttributes();
    if (parentDeathSignal !== undefined) setParentDeathSignal(parentDeathSignal);
    if (process.pid !== 1) {
      if (!subreaper) {
        this.#log.warn(
          'not PID 1: only orphans of our own descendants are reaped (docker run without --init makes us PID 1; -s says that this is meant)',
        );
      }
      if (!becomeSubreaper()) this.#log.warn('this kernel knows no subreapers: orphans are not reaped');
    }
    if (process.getuid?.() === 0) requireCapabilities();
    confineChildren();
    const { user } = this.#configuration;
    const { operator, transfer } = followWorkspace(findOperator(user), user !== undefined, this.#log);
    this.#transfer = transfer;
    void transfer?.finish(this.#commandRuns.promise);
    giveStandardStreams(operator);
    return operator;
  }

  async #prepare(operator: Operator, environment: readonly Buffer[]): Promise<void> {
    prepareIdentity(operator, this.#log);
    const claim = claimRuntimeDirectory(this.#log);
    if (claim === 'taken') {
      this.#log.warn('another tazpod-entrypoint serves this container: this one is an init without a vault');
      return;
    }
    this.#keeper = new Keeper(operator, this.#configuration.enclaveSize, this.#log);
    const timeout = this.#configuration.hookTimeout;
    this.#hooks = new Hooks({ operator, environment, reaper: this.#reaper, stop: this.#stop, timeout }, this.#log);
    const facts = {
      stopSignals: this.#stopSignals,
      stopTimeout: this.#configuration.stopTimeout,
      autosave: () => this.#autosave?.state ?? 'off',
    };
    this.#server = new ControlServer(this.#keeper, this.#hooks, facts, this.#log);
    // A worker takes the passphrase that it is given, or asks: the file is PID 1's to open.
    const forWorkers = withoutVariable(environment, 'TAZPOD_PASSPHRASE_FILE');
    const spawn: SpawnWorker = (verb, connection, input) => spawnWorker(operator, forWorkers, verb, connection, input);
    this.#workers = new Workers(spawn, this.#server, this.#reaper);
    this.#lastSave = new LastSave(
      { keeper: this.#keeper, server: this.#server, workers: this.#workers, stop: this.#stop, spawn },
      this.#configuration.rescueDirectory,
      this.#log,
    );
    if (this.#configuration.autosave) {
      this.#autosave = new Autosave(this.#keeper, this.#workers, this.#commandRuns.promise, this.#log);
      this.#keeper.follow(this.#autosave);
    }
    if (this.#configuration.autolock === 'last-shell') {
      this.#autolock = new Autolock(operator, this.#workers, this.#commandRuns.promise, this.#log);
      this.#keeper.follow(this.#autolock);
    }
    if (claim === 'ours') await this.#server.listen(operator);
    restoreAside(operator);
    try {
      prepareMountPoint(operator, this.#log);
    } catch (error) {
      if (!(error instanceof TazpodError)) throw error;
      this.#log.warn(`${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`);
    }
  }

  /** A vault that stays locked is a reason not to start only where it is required. */
  async #unlock(operator: Operator): Promise<void> {
    const { unlock: mode, passphraseFile } = this.#configuration;
    const [keeper, workers] = [this.#keeper, this.#workers];
    try {
      if (keeper === undefined || workers === undefined) {
        if (mode !== 'required') return;
        throw new TazpodError('unreachable', 'cannot unlock: another tazpod-entrypoint serves this container', {
          hint: 'start one only, or this one with TAZPOD_UNLOCK=never',
        });
      }
      await unlockAtBoot({
        mode,
        operator,
        keeper,
        workers,
        passphrase: this.#passphrase,
        passphraseFile,
        terminal: this.#terminal,
        hasSocket: this.#server?.isListening === true,
        aborted: this.#router.aborted,
      });
    } catch (error) {
      if (!(error instanceof TazpodError) || mode === 'required') throw error;
      this.#log.error(error.message, error.hint);
    } finally {
      if (this.#passphrase !== undefined) {
        // Used or not: nobody is to read it from us later.
        closeSync(this.#passphrase);
        this.#log.warn(
          'TAZPOD_PASSPHRASE stays readable in docker inspect and docker exec; TAZPOD_PASSPHRASE_FILE does not',
        );
      }
    }
  }

  /** What follows an unlock comes before the command, which may need it. */
  async #runUnlockedHooks(): Promise<void> {
    if (this.#keeper?.state !== 'unlocked') return;
    const aborted = await Promise.race([this.#hooks?.run('unlocked').then(() => undefined), this.#router.aborted]);
    if (aborted !== undefined) throw new BootAborted(aborted);
  }

  /** What a hook has changed before a signal aborted the boot is saved as anybody's work. */
  async #endAbortedBoot(): Promise<void> {
    if (this.#keeper?.state !== 'unlocked') return;
    this.#stop.request();
    this.#stop.commandEnded();
    await this.#endProcesses();
    await this.#lastSave?.save();
  }

  async #runCommand(operator: Operator, environment: readonly Buffer[]): Promise<Exit> {
    const { command, group } = this.#args;
    // A signal may have come while nobody waited for one.
    const aborted = await Promise.race([this.#router.aborted, nextTurn()]);
    if (aborted !== undefined) throw new BootAborted(aborted);

    const [file = Buffer.from(operator.shell)] = command;
    const loginName = Buffer.from(`-${operator.shell.slice(operator.shell.lastIndexOf('/') + 1)}`);
    const pid = spawnAsOperator(operator, {
      file,
      args: command.length === 0 ? [loginName] : command,
      environment,
      descriptors: new Map(this.#descriptors.map((descriptor) => [descriptor, descriptor])),
      foreground: this.#terminal,
    });
    const ended = this.#reaper.exitOf(pid);
    this.#router.commandRuns(pid, group);
    this.#keeper?.commandRuns(pid);
    this.#command = pid;
    this.#commandRuns.resolve();
    void this.#log.load();
    using _trim = trimSoon();
    const exit = (await Promise.race([ended, this.#stop.givenUp])) ?? { signal: SIGKILL };
    this.#command = undefined;
    this.#router.commandEnded();
    this.#stop.commandEnded();
    if (this.#terminal !== undefined) takeForeground(this.#terminal);
    this.#log.debug(`the command ended with status ${exitStatusOf(exit)}`);
    return exit;
  }

  /** A stop was asked for: what can be saved is saved at once, while the command still has its time. */
  #stopRequested(): void {
    const isFirst = !this.#stop.isRequested;
    this.#stop.request();
    if (!isFirst) return;
    const command = this.#command;
    this.#log.info(`stop requested${command === undefined ? '' : `: waiting for ${describeProcess(command)}`}`);
    if (this.#keeper?.state === 'unlocked' && this.#workers?.running.length === 0) this.#workers.start('save');
  }

  /** The command has ended, whatever else still runs: hooks may use all that is there. */
  async #runLastHooks(): Promise<void> {
    this.#keeper?.refuseUnlocks();
    await this.#hooks?.run('stopping');
    if (this.#keeper?.state === 'unlocked') await this.#hooks?.run('locking');
  }

  async #endProcesses(): Promise<void> {
    this.#transfer?.end();
    this.#autosave?.end();
    this.#autolock?.end();
    this.#keeper?.refuseUnlocks();
    await this.#hooks?.end();
    for (const worker of this.#workers?.running ?? []) {
      // It may wait for the turn of a client that only the drain will end; the last save makes up for it.
      await endsWithin(worker, Math.min(WORKER_PATIENCE, this.#remainingForProcesses));
      await endWorker(worker);
    }
    const isPatient = this.#configuration.stopTimeout !== undefined;
    const grace = isPatient ? Math.min(DRAIN_GRACE, this.#remainingForProcesses) : 0;
    const patience = Math.min(KILL_PATIENCE, this.#remainingForProcesses + LEAST_KILL_PATIENCE);
    const left = await drain(grace, patience, (pids) => this.#log.info(`ending ${listed(pids)}`));
    if (left.length > 0)
      this.#log.warn(
        `cannot end ${left.length === 1 ? 'process' : 'processes'} ${left.join(', ')}: killed, and still there`,
      );
  }

  get #remainingForProcesses(): number {
    return Math.max(0, this.#stop.remaining - KEPT_FOR_SAVE);
  }
}

/** Who they are; of many, the first. */
function listed(pids: readonly number[]): string {
  const more = pids.length - MOST_NAMED;
  return `${pids.slice(0, MOST_NAMED).map(describeProcess).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Lets the event loop deliver what has arrived. */
function nextTurn(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(resolve, undefined));
}
