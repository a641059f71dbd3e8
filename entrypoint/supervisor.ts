// The life of the container, from top to bottom: prepare, unlock, run the command, forward and reap until it ends, drain,
// save, lock. Whatever happens on the way, the lock is the last thing that does.

import { closeSync } from 'node:fs';
import { constants } from 'node:os';

import { reasonOf, TazpodError } from '../lib/errors.ts';
import type { Arguments } from './arguments.ts';
import { restoreAside } from './aside.ts';
import { unlockAtBoot } from './boot-unlock.ts';
import { confineChildren, requireCapabilities } from './capabilities.ts';
import type { Configuration } from './configuration.ts';
import { listenForTools, removeControlSocket } from './control-socket.ts';
import { giveStandardStreams } from './descriptors.ts';
import { environmentBytes, operatorEnvironment } from './environment.ts';
import { prepareIdentity } from './identity.ts';
import { endProcesses } from './last-processes.ts';
import { LOST } from './last-save.ts';
import type { Log } from './log.ts';
import { mountedFileSystem, prepareMountPoint } from './mount-point.ts';
import { nextTurn } from './next-turn.ts';
import { findOperator, type Operator } from './operator.ts';
import { describeProcess } from './process-life.ts';
import { applyAttributes, becomeSubreaper, nameProcess, setParentDeathSignal } from './process-attributes.ts';
import { exitStatusOf, Reaper, type Exit } from './reaper.ts';
import { claimRuntimeDirectory } from './runtime-directory.ts';
import { BootAborted, SignalRouter } from './signal-router.ts';
import type { SignalListener } from './signals.ts';
import { CannotRun, spawnAsOperator } from './spawn.ts';
import { Standby, type Started } from './standby.ts';
import { Stop } from './stop.ts';
import { foregroundTerminal, takeForeground } from './terminal.ts';
import type { Transfer } from './transfer.ts';
import { Trim } from './trim.ts';
import { VaultServices, type VaultSetting } from './vault-services.ts';
import { followWorkspace } from './workspace-owner.ts';

/** What a container that failed by our own fault ends with, as docker's. */
export const OWN_FAILURE = 125;

const { SIGINT, SIGKILL, SIGTERM } = constants.signals;

/** What was there when we were started. */
export interface Inherited {
  readonly args: Arguments;
  readonly configuration: Configuration;
  /** For the command; 0–2 among them. */
  readonly descriptors: readonly number[];
  /** A pipe with the passphrase of the environment. */
  readonly passphrase: number | undefined;
  /** A worker that the launcher has started. */
  readonly standby: Started | undefined;
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
  readonly #standby: Standby | undefined;
  readonly #stopSignals: ReadonlySet<number>;
  /** Undefined where another serves this container. */
  #vaultSetting: VaultSetting | undefined;
  /** From when they are needed, which is when the command runs at the latest. */
  #vault: VaultServices | undefined;
  #transfer: Transfer | undefined;
  #command: number | undefined;
  readonly #commandRuns = Promise.withResolvers<void>();

  constructor({ args, configuration, descriptors, passphrase, standby }: Inherited, log: Log) {
    this.#args = args;
    this.#configuration = configuration;
    this.#descriptors = descriptors;
    this.#passphrase = passphrase;
    this.#log = log;
    this.#reaper = new Reaper((pid) => {
      if (args.warnReaped) log.warn(`reaped the orphan ${pid}`);
      else log.debug(`reaped the orphan ${pid}`);
    });
    this.#standby = standby && new Standby(standby, this.#reaper);
    const onTerminal = this.#terminal !== undefined;
    this.#stopSignals = configuration.stopSignals ?? new Set(onTerminal ? [SIGTERM] : [SIGTERM, SIGINT]);
    this.#router = new SignalRouter(this.#stopSignals, () => this.#stopRequested(), log);
    const steps = {
      send: (signal: number) => this.#router.send(signal),
      checkpoint: () => this.#vault?.checkpoint(),
    };
    this.#stop = new Stop(configuration.stopTimeout, onTerminal, steps, log);
  }

  /** Who takes the signals. */
  get signals(): SignalListener {
    return { relay: this.#router.relay, signal: this.#router.route, child: () => this.#reaper.reap() };
  }

  /** After an error that nobody expected: saves what can be saved in a few seconds, and locks. Synchronous throughout. */
  emergency(): void {
    try {
      this.#vault?.lastSave.saveNow();
    } catch (error) {
      this.#log.error(`cannot save the vault: ${reasonOf(error)}; ${LOST}`);
    } finally {
      this.#vault?.keeper.lockNow();
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
      this.#beginServing(operator, environment);
      const mounted = mountedFileSystem();
      // First of all, for its worker takes longest to be ready; what is made meanwhile is made before it is served.
      const unlocked = this.#unlock(operator, mounted === 'tmpfs');
      this.#prepare(operator, mounted === undefined);
      await unlocked;
      await this.#runUnlockedHooks();
      const exit = await this.#runCommand(operator, environment);
      await this.#vault?.runLastHooks();
      await this.#end();
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
      this.#vault?.keeper.lockNow();
      this.#vault?.server.close();
      if (this.#vaultSetting?.listener !== undefined) removeControlSocket();
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

  #beginServing(operator: Operator, environment: readonly Buffer[]): void {
    const claim = claimRuntimeDirectory(this.#log);
    if (claim === 'taken') {
      this.#log.warn('another tazpod-entrypoint serves this container: this one is an init without a vault');
      return;
    }
    this.#vaultSetting = {
      listener: claim === 'ours' ? listenForTools(operator) : undefined,
      operator,
      environment,
      configuration: this.#configuration,
      stopSignals: this.#stopSignals,
      reaper: this.#reaper,
      stop: this.#stop,
      standby: this.#standby,
      commandRuns: this.#commandRuns.promise,
    };
  }

  #beginVault(): VaultServices | undefined {
    this.#vault ??= this.#vaultSetting && new VaultServices(this.#vaultSetting, this.#log);
    return this.#vault;
  }

  #prepare(operator: Operator, mayBeMountedOn: boolean): void {
    prepareIdentity(operator, this.#log);
    if (this.#vaultSetting === undefined) return;
    restoreAside(operator);
    try {
      if (mayBeMountedOn) prepareMountPoint(operator, this.#log);
    } catch (error) {
      if (!(error instanceof TazpodError)) throw error;
      this.#log.warn(`${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`);
    }
  }

  /** A vault that stays locked is a reason not to start only where it is required. */
  async #unlock(operator: Operator, isMounted: boolean): Promise<void> {
    const { unlock: mode, passphraseFile } = this.#configuration;
    try {
      if (!isMounted && !this.#wantsUnlock) return;
      const vault = this.#beginVault();
      if (vault === undefined) {
        if (mode !== 'required') return;
        throw new TazpodError('unreachable', 'cannot unlock: another tazpod-entrypoint serves this container', {
          hint: 'start one only, or this one with TAZPOD_UNLOCK=never',
        });
      }
      await unlockAtBoot({
        mode,
        isMounted,
        operator,
        keeper: vault.keeper,
        workers: vault.workers,
        passphrase: this.#passphrase,
        passphraseFile,
        terminal: this.#terminal,
        hasSocket: vault.server.isListening,
        aborted: this.#router.aborted,
      });
    } catch (error) {
      if (!(error instanceof TazpodError) || mode === 'required') throw error;
      this.#log.error(error.message, error.hint);
    } finally {
      this.#standby?.dismiss();
      if (this.#passphrase !== undefined) {
        // Used or not: nobody is to read it from us later.
        closeSync(this.#passphrase);
        this.#log.warn(
          'TAZPOD_PASSPHRASE stays readable in docker inspect and docker exec; TAZPOD_PASSPHRASE_FILE does not',
        );
      }
    }
  }

  /** Whether there may be something to unlock with, or nobody may start without. */
  get #wantsUnlock(): boolean {
    const { unlock: mode, passphraseFile } = this.#configuration;
    if (mode !== 'auto') return mode !== 'never';
    return this.#passphrase !== undefined || passphraseFile !== undefined || this.#terminal !== undefined;
  }

  /** What follows an unlock comes before the command, which may need it. */
  async #runUnlockedHooks(): Promise<void> {
    if (!this.#vault?.isUnlocked) return;
    const hooks = this.#vault.hooks.run('unlocked').then(() => undefined);
    const aborted = await Promise.race([hooks, this.#router.aborted]);
    if (aborted !== undefined) throw new BootAborted(aborted);
  }

  /** What a hook has changed before a signal aborted the boot is saved as anybody's work. */
  async #endAbortedBoot(): Promise<void> {
    if (!this.#vault?.isUnlocked) return;
    this.#stop.request();
    this.#stop.commandEnded();
    await this.#end();
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
    this.#beginVault()?.keeper.commandRuns(pid);
    this.#command = pid;
    this.#commandRuns.resolve();
    this.#vault?.server.serve();
    void this.#log.load();
    using trim = new Trim(() => this.#vault?.keeper.isBusy ?? false);
    this.#vault?.keeper.follow(trim);
    const exit = (await Promise.race([ended, this.#stop.givenUp])) ?? { signal: SIGKILL };
    this.#command = undefined;
    this.#router.commandEnded();
    this.#stop.commandEnded();
    if (this.#terminal !== undefined) takeForeground(this.#terminal);
    this.#log.debug(`the command ended with status ${exitStatusOf(exit)}`);
    return exit;
  }

  #stopRequested(): void {
    const isFirst = !this.#stop.isRequested;
    this.#stop.request();
    if (!isFirst) return;
    const command = this.#command;
    this.#log.info(`stop requested${command === undefined ? '' : `: waiting for ${describeProcess(command)}`}`);
  }

  /** The command is gone: whatever else runs ends, and the last save is made. */
  async #end(): Promise<void> {
    this.#transfer?.end();
    await this.#vault?.end();
    const isPatient = this.#configuration.stopTimeout !== undefined;
    await endProcesses(this.#vault?.workers.running ?? [], this.#stop, isPatient, this.#log);
    await this.#vault?.lastSave.save();
  }
}
