// A container's files on this machine, in one directory that outlives PID 1, which may be started again:
//   layer/       the container's root: what it writes is here, and can be looked at when it is gone
//   workspace/   what it sees at /workspace
//   passwd, group, shadow   the machine's accounts, with the operator's in place of whoever has its name or ids
//   launch       how PID 1 is started (launch.ts)
// The machine's files are mounted over empty directories of the layer, in the container's own mount namespace only.

import { chmod, chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

import { HOME } from '../lib/paths.ts';
import { guard, release } from './guard.ts';
import { OPERATOR_ID, userCommand, type Namespaces } from './namespaces.ts';

export const OPERATOR_NAME = 'tazpod';

export class Bundle implements AsyncDisposable {
  readonly directory: string;
  readonly #namespaces: Namespaces;

  private constructor(directory: string, namespaces: Namespaces) {
    this.directory = directory;
    this.#namespaces = namespaces;
  }

  /**
   * Makes a bundle in a new directory.
   * @param workspace what the container sees at /workspace, made where it is missing and never removed; a directory of the
   * bundle's own unless given
   */
  static async create(namespaces: Namespaces, workspace?: string): Promise<Bundle> {
    const directory = await mkdtemp(join(tmpdir(), 'tazpod-sandbox-'));
    const bundle = new Bundle(directory, namespaces);
    guard(`directory ${directory}`, namespaces);
    await mkdir(bundle.layer, { mode: 0o755 });
    await mkdir(workspace ?? bundle.workspace, { recursive: true, mode: 0o755 });
    if (workspace !== undefined) await symlink(workspace, bundle.workspace);
    // In a user namespace the operator is who we are.
    if (namespaces.kind === 'native') await chown(bundle.workspace, OPERATOR_ID, OPERATOR_ID);
    await Promise.all([
      writeFile(join(directory, 'passwd'), withOperator(await readFile('/etc/passwd', 'utf8'), PASSWD_ENTRY)),
      writeFile(join(directory, 'group'), withOperator(await readFile('/etc/group', 'utf8'), GROUP_ENTRY)),
      writeFile(join(directory, 'shadow'), `root:*:::::::\n${OPERATOR_NAME}:!:::::::\n`, { mode: 0o640 }),
    ]);
    return bundle;
  }

  /** The container's root, as it lies on disk. */
  get layer(): string {
    return join(this.directory, 'layer');
  }

  get workspace(): string {
    return join(this.directory, 'workspace');
  }

  get namespaces(): Namespaces {
    return this.#namespaces;
  }

  /** Puts a file into the container's root, for root alone, before it runs. */
  async place(path: string, contents: string | Uint8Array, mode = 0o600): Promise<void> {
    const file = join(this.layer, path);
    await mkdir(join(file, '..'), { recursive: true, mode: 0o755 });
    await writeFile(file, contents, { mode });
    await chmod(file, mode);
  }

  /** Runs a command on this machine with the rights of the container's root over what the container wrote. */
  async inspect(command: readonly string[]): Promise<{ readonly code: number | undefined; readonly stdout: string }> {
    const [file = '', ...args] = [...userCommand(this.#namespaces), ...command];
    const { exitCode, stdout } = await execa(file, args, { reject: false });
    return { code: exitCode, stdout };
  }

  /** Removes the directory and everything in it; of a workspace from elsewhere only the link to it. */
  async [Symbol.asyncDispose](): Promise<void> {
    // In a user namespace, its root leaves files behind that only it can remove.
    await this.inspect(['rm', '-rf', '--', this.layer, this.workspace]);
    await rm(this.directory, { recursive: true, force: true });
    release(`directory ${this.directory}`);
  }
}

const PASSWD_ENTRY = `${OPERATOR_NAME}:x:${OPERATOR_ID}:${OPERATOR_ID}:TazPod operator:${HOME}:/bin/bash`;
const GROUP_ENTRY = `${OPERATOR_NAME}:x:${OPERATOR_ID}:`;

/** The lines of passwd(5) or group(5) without those that have the entry's name or id, and with the entry. */
function withOperator(accounts: string, entry: string): string {
  const others = accounts.split('\n').filter((line) => {
    const [name, , id] = line.split(':');
    return name !== '' && name !== OPERATOR_NAME && id !== String(OPERATOR_ID);
  });
  return [...others, entry, ''].join('\n');
}
