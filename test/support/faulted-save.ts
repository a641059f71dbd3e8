// Saves in which one system call of `tazpod save` fails, or it is killed at one; and what is to be seen then: a vault that opens,
// with what was there before or what was to be saved, and a next save that writes it and clears up.

import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { execa } from 'execa';

import { ENCLAVE, VAULT_FILE } from '../../lib/paths.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { nsenterCommand } from '../../sandbox/nsenter.ts';
import { createPod, startUnlocked } from './pod.ts';
import { ENVIRONMENT, type Running, type Sandbox } from './sandbox.ts';
import { CONTENTS, openVault, vaultPath } from './vault.ts';

export interface SaveFault {
  /** Of the system call. */
  readonly name: string;
  /** The first, the second, … of each thread that makes it. */
  readonly nth: number;
  /** An error's name, or a signal's. */
  readonly fault: string;
  /** Only calls that have to do with these; all unless given. */
  readonly paths?: readonly string[];
}

export interface SaveOutcome {
  /** It came to the call. */
  readonly reached: boolean;
  /** What was to be saved is in the vault. */
  readonly saved: boolean;
  readonly status: number | undefined;
}

export class FaultedSave implements AsyncDisposable {
  readonly #pod: Sandbox;
  readonly #running: Running;
  #version = 0;

  private constructor(pod: Sandbox, running: Running) {
    this.#pod = pod;
    this.#running = running;
  }

  static async create(): Promise<FaultedSave> {
    const pod = await createPod();
    try {
      return new FaultedSave(pod, await startUnlocked(pod, { variables: { TAZPOD_AUTOSAVE: 'off' } }));
    } catch (error) {
      await pod[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Changes the enclave, saves with a fault, looks, and saves without one.
   * @throws Error that says what is not as it should be
   */
  async try(fault: SaveFault): Promise<SaveOutcome> {
    try {
      return await this.#try(fault);
    } catch (error) {
      // The next one is to begin as this one did.
      await this.#running.exec(['tazpod', 'save'], { user: OPERATOR_ID });
      throw error;
    }
  }

  async #try(fault: SaveFault): Promise<SaveOutcome> {
    this.#version += 1;
    const write = await this.#running.exec(['sh', '-c', `echo ${this.#version} >${ENCLAVE}/version`], {
      user: OPERATOR_ID,
    });
    if (write.code !== 0) throw new Error(`cannot write to the enclave: ${write.stderr}`);
    const { status, stderr, reached } = await this.#save(fault);
    const leftOut = Array.from(stderr.matchAll(/^tazpod: warning: (.*) is left out: /gm), ([, name = '']) => name);
    if (status === 0 ? leftOut.length > 0 : status === 13 && leftOut.length === 0)
      throw new Error(`it ended with ${status}: ${stderr}`);
    const found = await this.#look(status === 13 ? leftOut : []);
    if (status === 0 && found !== this.#version) throw new Error(`it said that it saved, and the vault has ${found}`);
    if (status === 14) throw new Error(`a conflict with nobody: ${stderr}`);
    if (status !== undefined && status !== 0 && status < 128 && !/^tazpod: cannot /m.test(stderr))
      throw new Error(`it gave no reason: ${status} ${stderr}`);

    const next = await this.#running.exec(['tazpod', 'save'], { user: OPERATOR_ID });
    if (next.code !== 0) throw new Error(`the next save ended with ${next.code}: ${next.stderr}`);
    const afterwards = await this.#look();
    if (afterwards !== this.#version) throw new Error(`the next save left version ${afterwards}`);
    const left = await this.#neighbours();
    // A save that has nothing to write does not clear up.
    if (left.length > 0 && found !== this.#version) throw new Error(`left behind: ${left.join(' ')}`);
    return { reached, saved: found === this.#version, status };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pod[Symbol.asyncDispose]();
  }

  async #save({ name, nth, fault, paths = [] }: SaveFault) {
    const file = join(tmpdir(), `tazpod-trace-${randomUUID()}`);
    const what = fault.startsWith('SIG') ? `signal=${fault}` : `error=${fault}`;
    const options = ['-f', '-y', '-o', file, '-e', `trace=${name}`, '-e', `inject=${name}:${what}:when=${nth}`];
    const save = nsenterCommand(this.#running.pid, this.#pod.bundle.namespaces, ['tazpod', 'save'], OPERATOR_ID);
    const { exitCode, stderr } = await execa(
      'strace',
      [...options, ...paths.flatMap((path) => ['-P', path]), ...save],
      {
        env: ENVIRONMENT,
        extendEnv: false,
        stdin: 'ignore',
        reject: false,
      },
    );
    const trace = await readFile(file, 'latin1');
    await rm(file);
    return { status: exitCode, stderr, reached: /\(INJECTED\)$|\+\+\+ killed by /m.test(trace) };
  }

  /**
   * The version in the vault; the one before the first has none.
   * @param leftOut what could not be read, and was named: the vault is without it until the next save
   */
  async #look(leftOut: readonly string[] = []): Promise<number> {
    const isIn = (name: string) => !leftOut.some((out) => name === out || name.startsWith(`${out}/`));
    const { version = '0', ...others } = await openVault(await readFile(vaultPath(this.#pod.bundle)));
    same(others, Object.fromEntries(Object.entries(CONTENTS).filter(([name]) => isIn(name))));
    const began = await readFile(`${vaultPath(this.#pod.bundle)}.bak`).catch(() => undefined);
    if (began !== undefined) same(await openVault(began), CONTENTS);
    const strange = (await this.#neighbours()).filter((name) => !name.startsWith('.tmp-'));
    if (strange.length > 0) throw new Error(`there is ${strange.join(' ')}`);
    if (!isIn('version')) return this.#version - 1;
    if (![this.#version, this.#version - 1].includes(Number(version))) throw new Error(`it holds version ${version}`);
    return Number(version);
  }

  /** What stands beside vault and backup, by what their names have after the vault's. */
  async #neighbours(): Promise<string[]> {
    const name = basename(VAULT_FILE);
    const names = await readdir(dirname(vaultPath(this.#pod.bundle)));
    return names.filter((other) => other !== name && other !== `${name}.bak`).map((other) => other.replace(name, ''));
  }
}

function same(found: Readonly<Record<string, string>>, expected: Readonly<Record<string, string>>): void {
  if (isDeepStrictEqual(found, expected)) return;
  throw new Error(`there is ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
}
