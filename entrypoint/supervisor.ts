// The life of the container, from top to bottom: prepare, unlock, run the command, forward and reap until it ends, drain,
// save, lock. Whatever happens on the way, the lock is the last thing that does.

import { closeSync, lstatSync } from 'node:fs';
import { constants } from 'node:os';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import type { Arguments } from './arguments.ts';
import { restoreAside } from './bridge.ts';
import { confineChildren, requireCapabilities } from './capabilities.ts';
import type { Configuration } from './configuration.ts';
import { ControlServer } from './control-server.ts';
import { giveStandardStreams } from './descriptors.ts';
import { drain } from './drain.ts';
import { prepareMountPoint } from './enclave.ts';
import { environmentBytes, operatorEnvironment } from './environment.ts';
import { saveNow } from './emergency.ts';
import { prepareIdentity } from './identity.ts';
import { Keeper } from './keeper.ts';
import type { Log } from './log.ts';
import { asOperator, findOperator, type Operator } from './operator.ts';
import { openPassphraseFile } from './passphrase-file.ts';
import { applyAttributes, becomeSubreaper, nameProcess, setParentDeathSignal } from './process-attributes.ts';
import { exitStatusOf, Reaper, type Exit } from './reaper.ts';
import { claimRuntimeDirectory } from './runtime-directory.ts';
import { SignalRouter } from './signal-router.ts';
import type { SignalListener } from './signals.ts';
import { CannotRun, spawnAsOperator } from './spawn.ts';
import { Stop } from './stop.ts';
import { foregroundTerminal, takeForeground } from './terminal.ts';
import { spawnWorker, Workers, type SpawnWorker } from './worker.ts';

/** What a container that failed by our own fault ends with, as docker's. */
export const OWN_FAILURE = 125;

const { SIGINT, SIGKILL, SIGTERM } = constants.signals;
/** Between TERM and KILL, for what is left when the command is gone. */
const DRAIN_GRACE = 2000; // ms
/** What a drain leaves of a deadline for the last save. */
const KEPT_FOR_SAVE = 1500; // ms

/** What was there when we were started. */
export interface Inherited {
  readonly args: Arguments;
  readonly configuration: Configuration;
  /** For the command; 0–2 among them. */
  readonly descriptors: readonly number[];
  /** A pipe with the passphrase of the environment. */
  readonly passphrase: number | undefined;
}

/** Thrown through the boot when a signal aborts it. */
class Aborted extends Error {
  readonly status: number;
  constructor(status: number) {
    super('boot aborted');
    this.status = status;
  }
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
  #server: ControlServer | undefined;
  #workers: Workers | undefined;
  #keeper: Keeper | undefined;
  #spawn: SpawnWorker | undefined;

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
    const stopSignals = configuration.stopSignals ?? new Set(onTerminal ? [SIGTERM] : [SIGTERM, SIGINT]);
    this.#router = new SignalRouter(stopSignals, () => this.#stopRequested(), log);
    this.#stop = new Stop(configuration.stopTimeout, onTerminal, (signal) => this.#router.send(signal), log);
  }

  /** Who takes the signals. */
  get signals(): SignalListener {
    return { signal: this.#router.route, child: () => this.#reaper.reap() };
  }

  /** Locks at once, for the ways out that do not lead through `run`. */
  lockNow(): void {
    this.#keeper?.lockNow();
  }

  /** After an error that nobody expected: saves what can be saved in a few seconds, and locks. Synchronous throughout. */
  emergency(): void {
    try {
      const grant = this.#keeper?.prepareSave();
      if (grant !== undefined && this.#spawn !== undefined) saveNow(this.#spawn, grant);
    } catch (error) {
      this.#log.error(`cannot save the vault: ${reasonOf(error)}; changes since the last save are lost`);
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
      const exit = await this.#runCommand(operator, environment);
      await this.#endProcesses();
      await this.#lastSave();
      const status = exitStatusOf(exit);
      return this.#args.remapped.has(status) ? 0 : status;
    } catch (error) {
      if (error instanceof Aborted) return error.status;
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
    const operator = findOperator(this.#configuration.user);
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
    this.#server = new ControlServer(this.#keeper, this.#log);
    this.#spawn = (verb, connection, input) => spawnWorker(operator, environment, verb, connection, input);
    this.#workers = new Workers(this.#spawn, this.#server, this.#reaper);
    if (claim === 'ours') await this.#server.listen(operator);
    restoreAside(operator);
    try {
      prepareMountPoint(operator, this.#log);
    } catch (error) {
      if (!(error instanceof TazpodError)) throw error;
      this.#log.warn(`${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`);
    }
  }

  /** Unlocks as TAZPOD_UNLOCK says. */
  async #unlock(operator: Operator): Promise<void> {
    const { unlock: mode } = this.#configuration;
    if (mode === 'required' && this.#keeper === undefined) {
      throw new TazpodError('unreachable', 'cannot unlock: another tazpod-entrypoint serves this container');
    }
    const passphrase = this.#openPassphrase(operator);
    try {
      const isCached = this.#keeper?.recover(mode !== 'never') ?? false;
      const isAsked = passphrase === undefined && !isCached && this.#terminal !== undefined && hasVault(operator);
      const prompts = isAsked || (mode === 'prompt' && !isCached);
      if (mode === 'never' || (passphrase === undefined && !prompts && !isCached)) {
        if (mode === 'required') {
          throw new TazpodError('no-passphrase', 'cannot unlock: there is no passphrase, and no terminal to ask on', {
            hint: 'set TAZPOD_PASSPHRASE_FILE, or start with a terminal (docker run -it)',
          });
        }
        return;
      }
      if (prompts && this.#terminal === undefined) {
        throw new TazpodError('no-passphrase', 'cannot ask for the passphrase: there is no terminal', {
          hint: 'start with a terminal (docker run -it), or set TAZPOD_PASSPHRASE_FILE',
        });
      }
      await this.#runUnlock(mode === 'prompt' ? undefined : passphrase, prompts);
    } catch (error) {
      if (!(error instanceof TazpodError) || mode === 'required') throw error;
      this.#log.error(error.message, error.hint);
    } finally {
      if (passphrase !== undefined) closeSync(passphrase);
    }
  }

  #openPassphrase(operator: Operator): number | undefined {
    const { passphraseFile, unlock } = this.#configuration;
    if (this.#passphrase !== undefined || passphraseFile === undefined || unlock === 'never' || unlock === 'prompt') {
      return this.#passphrase;
    }
    try {
      return openPassphraseFile(passphraseFile, operator);
    } catch (error) {
      if (!(error instanceof TazpodError) || unlock === 'required') throw error;
      this.#log.error(error.message, error.hint);
      return undefined;
    }
  }

  async #runUnlock(passphrase: number | undefined, prompts: boolean): Promise<void> {
    const worker = this.#workers?.start('unlock', { passphrase, terminal: prompts ? this.#terminal : undefined });
    if (worker === undefined) return;
    const aborted = this.#router.aborted.then((signal) => ({ signal }));
    const first = await Promise.race([worker.ended, aborted.then(() => 'aborted' as const)]);
    if (first === 'aborted') {
      const { signal } = await aborted;
      await endWorker(worker.pid, worker.ended);
      throw new Aborted(128 + signal);
    }
    if (this.#keeper?.state === 'unlocked') return;
    // Ctrl-C at the prompt reaches the worker alone: it means the boot.
    if (prompts && exitStatusOf(first) === 128 + SIGINT) throw new Aborted(128 + SIGINT);
    throw new TazpodError(
      'locked',
      `cannot unlock the vault (the reason is above, status ${exitStatusOf(first)}): it stays locked`,
      {
        hint: '`tazpod unlock` tries again',
      },
    );
  }

  async #runCommand(operator: Operator, environment: readonly Buffer[]): Promise<Exit> {
    const { command, group } = this.#args;
    // A signal may have come while nobody waited for one.
    const aborted = await Promise.race([this.#router.aborted, nextTurn()]);
    if (aborted !== undefined) throw new Aborted(128 + aborted);

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
    void this.#log.load();
    const exit = await ended;
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
    if (isFirst && this.#keeper?.state === 'unlocked' && this.#workers?.running.length === 0)
      this.#workers.start('save');
  }

  async #endProcesses(): Promise<void> {
    this.#keeper?.refuseUnlocks();
    for (const worker of this.#workers?.running ?? []) {
      await Promise.race([worker.ended, this.#stop.deadline]);
      await endWorker(worker.pid, worker.ended);
    }
    const isPatient = this.#configuration.stopTimeout !== undefined;
    const left = await drain(isPatient ? Math.min(DRAIN_GRACE, Math.max(0, this.#stop.remaining - KEPT_FOR_SAVE)) : 0);
    if (left.length > 0) this.#log.warn(`cannot end ${left.length === 1 ? 'process' : 'processes'} ${left.join(', ')}`);
  }

  async #lastSave(): Promise<void> {
    if (this.#keeper?.state !== 'unlocked' || this.#workers === undefined) return;
    const worker = this.#workers.start('save');
    const exit = await Promise.race([worker.ended, this.#stop.deadline]);
    if (exit === undefined) {
      await endWorker(worker.pid, worker.ended);
      this.#log.error('cannot finish the last save in the time that is left: changes since the last save are lost');
    } else if (exitStatusOf(exit) === 13) {
      this.#log.error('the last save left something out: it is named above');
    } else if (exitStatusOf(exit) !== 0) {
      this.#log.error('cannot save the vault (the reason is above): changes since the last save are lost');
    }
  }
}

/** Whether there is something at the vault's path that could be unlocked, as far as the operator can see. */
function hasVault(operator: Operator): boolean {
  return asOperator(operator, () => {
    try {
      return lstatSync(VAULT_FILE, { throwIfNoEntry: false }) !== undefined;
    } catch (error) {
      // No way to look there: the tool can say why, when it is asked.
      if (errnoName(error) === undefined) throw new Error(reasonOf(error), { cause: error });
      return false;
    }
  });
}

/** Lets the event loop deliver what has arrived. */
function nextTurn(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(resolve, undefined));
}

/** Ends a worker that has not ended yet, and waits until what it left is undone. */
async function endWorker(pid: number, ended: Promise<Exit>): Promise<void> {
  const isRunning = await Promise.race([ended.then(() => false), nextTurn().then(() => true)]);
  if (!isRunning) return;
  try {
    process.kill(pid, SIGKILL);
  } catch (error) {
    if (errnoName(error) !== 'ESRCH') throw error;
  }
  await ended;
}
