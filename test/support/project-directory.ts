// A person's project on the machine: a directory with a vault, which any user's engine and operator may use, and the files of an
// example that leads a container to it.

import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { VAULT_FILE, WORKSPACE } from '../../lib/paths.ts';
import { filesWithSecrets } from './leaks.ts';
import { defaultVault, openVault } from './vault.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples');

/** A file or directory of examples/, where it lies. */
export function example(path: string): string {
  return join(EXAMPLES, path);
}

export class ProjectDirectory implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<ProjectDirectory> {
    const project = new ProjectDirectory(await mkdtemp(join(tmpdir(), 'tazpod-project-')));
    const directory = dirname(project.#vault);
    await mkdir(directory, { recursive: true });
    await writeFile(project.#vault, await defaultVault(), { mode: 0o644 });
    for (const path of [directory, dirname(directory), project.path]) await chmod(path, 0o777);
    return project;
  }

  /** Copies a part of examples/ into it, as its README says. */
  async take(path: string): Promise<void> {
    await cp(example(path), join(this.path, path.slice(path.lastIndexOf('/') + 1)), { recursive: true });
  }

  /** What the vault holds now. */
  async saved(): Promise<Record<string, string>> {
    return openVault(await readFile(this.#vault));
  }

  /** Its files that hold a passphrase or a secret in the clear. */
  leaks(): Promise<string[]> {
    return filesWithSecrets([this.path]);
  }

  get #vault(): string {
    return join(this.path, VAULT_FILE.slice(WORKSPACE.length));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
