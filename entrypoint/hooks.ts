// Hooks: what an image wants to have run when the vault has been unlocked, before it is locked, and when the container is
// about to end. One after the other, as the operator, each with a time limit, each in a session of its own; what one writes is
// in the log. One that fails is told, and keeps nothing from its course: a lock that a hook could veto would be none.

import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';

import { errnoName, reasonOf } from '../lib/errors.ts';
import type { HookFailure } from '../lib/protocol.ts';
import { withoutVariable } from './environment.ts';
import { findHooks, type Hook, type HookEvent } from './hook-directory.ts';
import { HookOutput } from './hook-output.ts';
import type { Log } from './log.ts';
import type { Operator } from './operator.ts';
import { exitStatusOf, type Exit, type Reaper } from './reaper.ts';
import { CannotRun, spawnAsOperator } from './spawn.ts';
import type { Stop } from './stop.ts';

const { SIGKILL, SIGTERM } = constants.signals;
/** What tells a hook, which may be one file under several names, at what it is run. */
const VARIABLE = 'TAZPOD_HOOK';
/** Between TERM and KILL, for one whose time is over. */
const GRACE = 500; // ms
/** What is still there so long after a KILL waits for something in the kernel: nothing waits for it. */
const KILL_PATIENCE = 500; // ms
/** Told to a client: what goes into one line of the protocol. The log has all of them. */
const MOST_FAILURES = 20;

export interface HookSetting {
  readonly operator: Operator;
  /** The command's: `NAME=value`. */
  readonly environment: readonly Buffer[];
  readonly reaper: Reaper;
  readonly stop: Stop;
  /** Milliseconds that each may take. */
  readonly timeout: number;
}

/** The hooks of one event, under way. */
interface Run {
  readonly event: HookEvent;
  /** Resolved when it has to end, with the reason. */
  readonly over: PromiseWithResolvers<string>;
  readonly ended: Promise<readonly HookFailure[]>;
}

export class Hooks {
  readonly #setting: HookSetting;
  readonly #log: Log;
  #current: Run | undefined;
  #noTime: string | undefined;
  #isOver = false;

  constructor(setting: HookSetting, log: Log) {
    this.#setting = setting;
    this.#log = log;
    void setting.stop.hooksEnd.then(() => {
      this.#noTime = 'the stop leaves no more time for it';
      this.#current?.over.resolve(this.#noTime);
    });
  }

  /**
   * Runs the hooks of an event, after those that run; those of an unlock, which a lock has overtaken, are ended instead. Where
   * the same ones run already, that is what is waited for.
   * @returns those that failed
   */
  async run(event: HookEvent): Promise<readonly HookFailure[]> {
    while (this.#current !== undefined) {
      if (this.#current.event === event) return this.#current.ended;
      if (this.#current.event === 'unlocked') this.#current.over.resolve('the lock does not wait for it');
      await this.#current.ended;
    }
    const hooks = this.#isOver ? [] : findHooks(event, this.#setting.operator, this.#log);
    if (hooks.length === 0) return [];
    const over = Promise.withResolvers<string>();
    if (this.#noTime !== undefined) over.resolve(this.#noTime);
    const ended = this.#runAll(event, hooks, over.promise).finally(() => (this.#current = undefined));
    this.#current = { event, over, ended };
    return ended;
  }

  /** Ends what runs; no hook is started any more. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#current?.over.resolve('the container does not wait for it');
    await this.#current?.ended;
  }

  async #runAll(event: HookEvent, hooks: readonly Hook[], over: Promise<string>): Promise<readonly HookFailure[]> {
    // What a hook says is to be read while it runs.
    await this.#log.load();
    const failures: HookFailure[] = [];
    for (const hook of hooks) {
      const reason = (await isOver(over)) ?? (await this.#tryOne(event, hook, over));
      if (reason === undefined) continue;
      this.#log.warn(`the hook ${hook.name} failed: ${reason}`);
      failures.push({ hook: hook.name, reason });
    }
    return failures.slice(0, MOST_FAILURES);
  }

  /**
   * @param over resolves when it has to end, with the reason
   * @returns why it failed; undefined: it did not
   */
  async #tryOne(event: HookEvent, hook: Hook, over: Promise<string>): Promise<string | undefined> {
    try {
      return await this.#runOne(event, hook, over);
    } catch (error) {
      if (error instanceof CannotRun) return error.message;
      if (errnoName(error) === undefined) throw error;
      return reasonOf(error);
    }
  }

  async #runOne(event: HookEvent, hook: Hook, over: Promise<string>): Promise<string | undefined> {
    const output = new HookOutput((line) => this.#log.info(`${hook.name}: ${line}`));
    const { pid, exit } = this.#start(event, hook, output);
    this.#log.debug(`the hook ${hook.name} begins, as process ${pid}`);
    const { timeout } = this.#setting;
    const end = await Promise.race([within(timeout, exit), over]);
    if (typeof end === 'object') {
      output.end();
      this.#log.debug(`the hook ${hook.name} has ended with status ${exitStatusOf(end)}`);
      return failureOf(end);
    }
    if (end === undefined) {
      signalGroup(pid, SIGTERM);
      await Promise.race([within(GRACE, exit), over]);
    }
    // What it has started goes with it: nobody has waited for that.
    signalGroup(pid, SIGKILL);
    await within(KILL_PATIENCE, exit);
    output.end();
    return end ?? `it did not end within ${timeout / 1000} s`;
  }

  /** @throws CannotRun */
  #start(event: HookEvent, { path }: Hook, output: HookOutput): { pid: number; exit: Promise<Exit> } {
    const { operator, environment, reaper } = this.#setting;
    const input = openSync('/dev/null', 'r');
    try {
      const pid = spawnAsOperator(operator, {
        file: Buffer.from(path),
        args: [Buffer.from(path)],
        environment: [...withoutVariable(environment, VARIABLE), Buffer.from(`${VARIABLE}=${event}`)],
        descriptors: new Map([
          [0, input],
          [1, output.writeEnd],
          [2, output.writeEnd],
        ]),
        foreground: undefined,
        session: true,
      });
      const exit = reaper.exitOf(pid);
      output.follow();
      return { pid, exit };
    } catch (error) {
      output.close();
      throw error;
    } finally {
      closeSync(input);
    }
  }
}

function failureOf(exit: Exit): string | undefined {
  if ('signal' in exit) return `signal ${exit.signal} has ended it`;
  return exit.status === 0 ? undefined : `it ended with status ${exitStatusOf(exit)}`;
}

/** What the promise has resolved to, if it has by now. */
function isOver(over: Promise<string>): Promise<string | undefined> {
  return Promise.race([over, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))]);
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, milliseconds, undefined);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A session's leader leads a process group, too. */
function signalGroup(pid: number, signal: number): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Ended meanwhile, or not ours to signal.
    if (errnoName(error) === undefined) throw error;
  }
}
