// What outlives a container in the tests: the workspace with its vault, and the file with the passphrase.
// Both are volumes of a container that is never started, and are filled and read through the engine (`docker cp`): so it need not
// be on this machine, and nothing is left behind, for the guard of the run removes that container with its volumes.

import { execa } from 'execa';
import { inject } from 'vitest';
import { Header } from 'tar';

import { VAULT_FILE, WORKSPACE } from '../../lib/paths.ts';
import { docker, newName } from './container.ts';
import { IMAGE, MAY_MOUNT } from './image.ts';
import { defaultVault, openVault, PASSPHRASE } from './vault.ts';

/** Where the passphrase is in the containers. */
export const SECRET_FILE = '/run/secrets/passphrase';

/** How a container gets the right passphrase. */
export const BY_FILE = { TAZPOD_PASSPHRASE_FILE: SECRET_FILE } as const;

const OPERATOR = 1000;

export interface VolumesOptions {
  /** `null`: no vault yet. */
  readonly vault?: Uint8Array | null;
  readonly passphrase?: string;
  /** Of the file with the passphrase, which is root's. */
  readonly secretMode?: number;
  /** Whose the workspace is. */
  readonly owner?: number;
}

export class Volumes implements AsyncDisposable {
  readonly #keeper: string;

  private constructor(keeper: string) {
    this.#keeper = keeper;
  }

  static async create(options: VolumesOptions = {}): Promise<Volumes> {
    const { vault = await defaultVault(), passphrase = PASSPHRASE, secretMode = 0o400, owner = OPERATOR } = options;
    const volumes = new Volumes(newName());
    const flags = ['--volume', WORKSPACE, '--volume', '/run/secrets', '--network', 'none'];
    await succeed(['create', '--name', volumes.#keeper, '--label', inject('runLabel'), ...flags, IMAGE]);
    const path = VAULT_FILE.slice(1);
    const parents = path.split('/').slice(0, -1);
    await succeed(['cp', '-', `${volumes.#keeper}:/`], {
      input: Buffer.concat([
        ...parents.map((_, index) => member(`${parents.slice(0, index + 1).join('/')}/`, 0o755, owner)),
        ...(vault === null ? [] : [member(path, 0o600, owner, vault)]),
        member(SECRET_FILE.slice(1), secretMode, 0, Buffer.from(passphrase)),
        Buffer.alloc(1024),
      ]),
    });
    return volumes;
  }

  /** For `docker run`. */
  get flags(): string[] {
    return ['--volumes-from', this.#keeper];
  }

  /** For `docker run` of a container whose PID 1 may mount. */
  get mayMount(): string[] {
    return [...this.flags, ...MAY_MOUNT];
  }

  /** What the vault holds now, opened with the passphrase. */
  async saved(passphrase: string = PASSPHRASE): Promise<Record<string, string>> {
    const { stdout } = await execa('docker', ['cp', `${this.#keeper}:${VAULT_FILE}`, '-'], { buffer: false }).pipe(
      'tar',
      ['--extract', '--to-stdout'],
      BYTES,
    );
    return openVault(Buffer.from(stdout), passphrase);
  }

  /** All of the workspace, names and contents, as a tar archive. */
  async workspace(): Promise<Buffer> {
    const { stdout } = await execa('docker', ['cp', `${this.#keeper}:${WORKSPACE}`, '-'], BYTES);
    return Buffer.from(stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await docker(['rm', '--force', '--volumes', this.#keeper]);
  }
}

/** Every one of them: a vault may end in the byte of a newline. */
const BYTES = { encoding: 'buffer', stripFinalNewline: false } as const;

/** A directory, its path ending in a slash, or a regular file, in the blocks of a tar archive. */
function member(path: string, mode: number, owner: number, contents: Uint8Array = new Uint8Array()): Buffer {
  const type = path.endsWith('/') ? 'Directory' : 'File';
  const header = new Header({ path, mode, uid: owner, gid: owner, size: contents.length, mtime: new Date(), type });
  header.encode();
  return Buffer.concat([header.block ?? Buffer.alloc(0), contents, Buffer.alloc(-contents.length & 511)]);
}

async function succeed(args: readonly string[], options: { readonly input?: Uint8Array } = {}): Promise<void> {
  const { status, stderr } = await docker(args, options);
  if (status !== 0) throw new Error(`docker ${args[0] ?? ''} failed: ${stderr}`);
}
