// `tazpod` in a sandbox, against a control server on a real socket and a real tmpfs.

import { chown, cp, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { nsenterCommand } from '../../../sandbox/nsenter.ts';
import { VAULT_FILE, WORKSPACE } from '../../../lib/paths.ts';
import { ENVIRONMENT, Sandbox, type ExecResult, type Running } from '../../support/sandbox.ts';
import type { Terminal } from '../../support/terminal.ts';
import { MAIN, onTerminal, QUIETLY, SMALL } from './tool.ts';

const SERVER = fileURLToPath(new URL('control-server.ts', import.meta.url));
const OPERATOR = 1000;

interface Wishes {
  /** The vault file, or none. */
  readonly vault?: string | undefined;
  /** For the control server. */
  readonly server?: Readonly<Record<string, string>>;
}

interface Run {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Who calls; the operator unless given. */
  readonly user?: number;
}

export class Session implements AsyncDisposable {
  readonly #sandbox: Sandbox;
  readonly #running: Running;

  private constructor(sandbox: Sandbox, running: Running) {
    this.#sandbox = sandbox;
    this.#running = running;
  }

  static async begin(wishes: Wishes = { vault: SMALL.file }): Promise<Session> {
    const sandbox = await Sandbox.create();
    const running = await sandbox.start([process.execPath, QUIETLY, SERVER], {
      environment: { ...ENVIRONMENT, ...wishes.server },
    });
    const session = new Session(sandbox, running);
    await session.#prepare(wishes.vault);
    await running.stdout.waitFor('listening');
    return session;
  }

  /** The vault file, as it is seen from here. */
  get vault(): string {
    return this.#sandbox.bundle.workspace + VAULT_FILE.slice(WORKSPACE.length);
  }

  async tazpod(
    words: readonly string[],
    { environment = {}, user = OPERATOR, input = '' }: Run = {},
  ): Promise<ExecResult> {
    // In a session of its own: without a controlling terminal, whatever the tests have.
    return await this.#running.exec(['setsid', '--wait', process.execPath, QUIETLY, MAIN, ...words], {
      environment: { ...ENVIRONMENT, ...environment },
      user,
      input,
    });
  }

  /** Unlocks with the passphrase of the small vault, and must succeed. */
  async unlock(): Promise<void> {
    const { code, stderr } = await this.tazpod(['unlock', '--passphrase-file', '-'], { input: SMALL.passphrase });
    if (code !== 0) throw new Error(`cannot unlock: ${stderr}`);
  }

  /** `tazpod` on a terminal. */
  typed(terminal: Terminal, words: readonly string[]) {
    const command = [process.execPath, QUIETLY, MAIN, ...words];
    return onTerminal(terminal, nsenterCommand(this.#running.pid, this.#sandbox.bundle.namespaces, command, OPERATOR));
  }

  /** Runs a shell script as the operator, in its home; gives what it prints. */
  async shell(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.#running.exec(['sh', '-ec', `cd ~tazpod; ${script}`], {
      user: OPERATOR,
    });
    if (code !== 0) throw new Error(`"${script}" failed: ${stderr}`);
    return stdout;
  }

  /** Whether the enclave is mounted, by the kernel's word, once the server has seen the last client leave. */
  async isMounted(): Promise<boolean> {
    await this.state();
    return (await this.shell('cat /proc/1/mountinfo || cat /proc/self/mountinfo')).includes(' /home/tazpod/secrets ');
  }

  async state(): Promise<unknown> {
    const { stdout } = await this.tazpod(['status', '--json']);
    return (JSON.parse(stdout) as { state: unknown }).state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandbox[Symbol.asyncDispose]();
  }

  async #prepare(vault: string | undefined): Promise<void> {
    const directory = dirname(this.vault);
    await mkdir(directory, { recursive: true });
    if (vault !== undefined) await cp(vault, this.vault);
    if (process.getuid?.() !== 0) return;
    const made = [dirname(directory), directory, ...(vault === undefined ? [] : [this.vault])];
    for (const path of made) await chown(path, OPERATOR, OPERATOR);
  }
}
