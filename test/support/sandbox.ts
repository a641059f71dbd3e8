// The process tier: any init as the real PID 1 of a container of its own (../../sandbox), watched and prodded from outside.
// Each sandbox has its own directory; several may run at once. One may be started again, as a container from its volumes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { execa } from 'execa';

import { Bundle } from '../../sandbox/bundle.ts';
import { PROJECT, startContainer, type Container, type ContainerOptions, type Exit } from '../../sandbox/container.ts';
import type { Bytes } from '../../sandbox/launch.ts';
import { findNamespaces } from '../../sandbox/namespaces.ts';
import { nsenterCommand } from '../../sandbox/nsenter.ts';
import { parseMountinfo, type Mount } from '../../sandbox/mountinfo.ts';
import { Output } from './output.ts';
import { Terminal } from './terminal.ts';

/** The inits that the machine has, and ours. */
export const INITS = {
  ours: '/usr/local/bin/tazpod-entrypoint',
  tini: '/usr/bin/tini',
  dumbInit: '/usr/bin/dumb-init',
  catatonit: '/usr/bin/catatonit',
} as const;

/** What an engine sets; the environment unless a test gives its own. */
export const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  HOSTNAME: 'tazpod',
} as const;

/** The path, in the container as here, of a program from test/fixtures. */
export function fixture(name: string): string {
  return join(PROJECT, 'test/fixtures', name);
}

export interface StartOptions extends Omit<ContainerOptions, 'command' | 'terminal'> {
  /** On a terminal (`docker run -it`): descriptors 0, 1, 2 are it. */
  readonly terminal?: Terminal;
}

export interface ExecOptions {
  /** The uid (and gid) that it runs as; root unless given. */
  readonly user?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
}

export interface ExecResult extends Exit {
  /** Without the last newline, as stderr. */
  readonly stdout: string;
  readonly stderr: string;
}

export class Sandbox implements AsyncDisposable {
  readonly bundle: Bundle;
  #last: Container | undefined;

  private constructor(bundle: Bundle) {
    this.bundle = bundle;
  }

  static async create(): Promise<Sandbox> {
    return new Sandbox(await Bundle.create(await findNamespaces()));
  }

  /** Starts `command` as PID 1; the last one must have ended. */
  async start(command: readonly Bytes[], { terminal, ...options }: StartOptions = {}): Promise<Running> {
    if (this.#last?.running) throw new Error('cannot start a sandbox that runs');
    const streams = terminal && {
      stdin: terminal.slave,
      stdout: terminal.slave,
      stderr: terminal.slave,
      terminal: true,
    };
    const container = await startContainer(this.bundle, { environment: ENVIRONMENT, ...options, ...streams, command });
    this.#last = container;
    return new Running(container, this.bundle);
  }

  /** Kills what still runs, and removes every file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#last?.kill('SIGKILL');
    await this.#last?.exited;
    await this.bundle[Symbol.asyncDispose]();
  }
}

/** A started sandbox. */
export class Running {
  readonly #container: Container;
  readonly #bundle: Bundle;
  readonly #outputs: { stdout?: Output; stderr?: Output } = {};

  constructor(container: Container, bundle: Bundle) {
    this.#container = container;
    this.#bundle = bundle;
    if (container.stdout) this.#outputs.stdout = new Output(container.stdout);
    if (container.stderr) this.#outputs.stderr = new Output(container.stderr);
  }

  /** PID 1's number on this machine. */
  get pid(): number {
    return this.#container.pid;
  }

  /** How PID 1 ended, as its parent is told. */
  get exited(): Promise<Exit> {
    return this.#container.exited;
  }

  get stdin(): Writable {
    return present(this.#container.stdin, 'stdin');
  }

  get stdout(): Output {
    return present(this.#outputs.stdout, 'stdout');
  }

  get stderr(): Output {
    return present(this.#outputs.stderr, 'stderr');
  }

  /** Sends PID 1 a signal from the machine, as `docker kill` does. */
  signal(signal: NodeJS.Signals | number): void {
    this.#container.kill(signal);
  }

  /** Sends PID 1 a signal from a process of its own container. */
  async signalInside(signal: string | number): Promise<void> {
    const { code, stderr } = await this.exec(['/bin/kill', `-${String(signal).replace(/^SIG/, '')}`, '1']);
    if (code !== 0) throw new Error(`cannot signal PID 1 from inside: ${stderr}`);
  }

  /** Runs a command in the container, as `docker exec` does, to its end. It is no descendant of PID 1. */
  async exec(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const [file, ...args] = nsenterCommand(this.pid, this.#bundle.namespaces, command, options.user);
    const { environment = ENVIRONMENT, input } = options;
    const { exitCode, signal, stdout, stderr } = await execa(file, args, {
      env: environment,
      extendEnv: false,
      reject: false,
      ...(input === undefined ? {} : { input }),
    });
    return { code: exitCode ?? null, signal: signal ?? null, stdout, stderr };
  }

  /**
   * Runs a command in the container on a terminal, as `docker exec -it` does: it leads a session of its own there.
   * @returns how it ends
   */
  async execOnTerminal({ slave }: Terminal, command: readonly string[], user?: number): Promise<Exit> {
    const words = ['setsid', '--ctty', '--', ...command];
    const [file, ...args] = nsenterCommand(this.pid, this.#bundle.namespaces, words, user);
    const [code, signal] = await once(spawn(file, args, { env: ENVIRONMENT, stdio: [slave, slave, slave] }), 'exit');
    return { code, signal };
  }

  /** What PID 1 sees mounted. */
  async mounts(): Promise<Mount[]> {
    return parseMountinfo(await readFile(`/proc/${this.pid}/mountinfo`, 'utf8'));
  }

  /** A path of the container, as it can be reached from here while PID 1 lives. */
  rootPath(path: string): string {
    return join(`/proc/${this.pid}/root`, path);
  }
}

function present<T>(stream: T | undefined, name: string): T {
  if (stream === undefined) throw new Error(`cannot use ${name}: it was not asked for as a pipe`);
  return stream;
}
