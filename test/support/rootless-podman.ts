// Podman as an ordinary user runs it, without a daemon and without root. The user is made for one test: its account and
// the ids it may lend (subuid(5)) are in files that stand for those of /etc in a mount namespace of its own only.
// All it makes is in one directory, which goes with it.

import { appendFile, chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';

import { findPrograms } from '../../build/debian.ts';
import { VAULT_FILE, WORKSPACE } from '../../lib/paths.ts';
import { docker, type Outcome } from './container.ts';
import { IMAGE } from './image.ts';
import { filesWithSecrets } from './leaks.ts';
import { example } from './project-directory.ts';
import { defaultVault, openVault, PASSPHRASE } from './vault.ts';

/** Numbers that no account of a machine has, nor lends. */
const USER = 1_879_000_000;
const LENT = 1_880_000_000;
const NAME = 'tazpod-rootless';
const ACCOUNT_FILES = ['passwd', 'group', 'subuid', 'subgid'];

/** What is called as `podman`: that of the machine, with what it needs where there is no systemd. */
const CLIENT = `#!/bin/sh
PATH=\${PATH#*:}
exec podman --runtime runc --cgroup-manager cgroupfs --events-backend file --storage-driver overlay "$@"
`;

/** $1: the directory; the rest is the command. */
const AS_USER = `
  cd "$1" && shift
  for file in ${ACCOUNT_FILES.join(' ')}; do mount --bind "etc/$file" "/etc/$file" || exit; done
  exec setpriv --reuid ${USER} --regid ${USER} --clear-groups --reset-env \
    env HOME="$PWD" XDG_RUNTIME_DIR="$PWD/run" PATH="$PWD/bin:$PATH" \
    sh -c 'cd workspace && exec "$@"' sh "$@"
`;

/** Why it cannot be had here; empty where it can. */
export async function whyNoRootlessPodman(): Promise<string> {
  if (process.getuid?.() !== 0) return 'only root can make the user that runs it';
  for (const program of ['podman', 'newuidmap', 'runc', 'setpriv']) {
    if ((await findPrograms(program)).length === 0) return `there is no ${program}`;
  }
  return '';
}

export class RootlessPodman implements AsyncDisposable {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** With our image, a workspace with the default vault that is the user's, and the passphrase in a file. */
  static async create(): Promise<RootlessPodman> {
    const directory = await mkdtemp(join(tmpdir(), 'tazpod-podman-'));
    const podman = new RootlessPodman(directory);
    await mkdir(join(directory, 'bin'));
    await writeFile(join(directory, 'bin/podman'), CLIENT, { mode: 0o755 });
    await mkdir(join(directory, 'etc'));
    for (const file of ACCOUNT_FILES) await copyFile(`/etc/${file}`, join(directory, 'etc', file));
    await appendFile(join(directory, 'etc/passwd'), `${NAME}:x:${USER}:${USER}::${directory}:/bin/sh\n`);
    await appendFile(join(directory, 'etc/group'), `${NAME}:x:${USER}:\n`);
    for (const file of ['subuid', 'subgid']) await writeFile(join(directory, 'etc', file), `${NAME}:${LENT}:65536\n`);
    await mkdir(join(directory, 'run'), { mode: 0o700 });
    await mkdir(dirname(podman.#vault), { recursive: true });
    await writeFile(podman.#vault, await defaultVault());
    await writeFile(join(directory, 'passphrase'), PASSPHRASE);
    await docker(['save', '--output', join(directory, 'image.tar'), IMAGE]);
    await chmod(join(directory, 'image.tar'), 0o644);
    await execa('chown', ['-R', `${USER}:${USER}`, directory]);
    const { status, stderr } = await podman.call(['load', '--input', join(directory, 'image.tar')]);
    if (status === 0) return podman;
    await podman[Symbol.asyncDispose]();
    throw new Error(`cannot load the image into podman: ${stderr}`);
  }

  /** Calls podman; it does not throw if that fails. */
  async call(args: readonly string[], input: Uint8Array = Buffer.alloc(0)): Promise<Outcome> {
    const [file, ...words] = this.command(['podman', ...args]);
    const { exitCode, stdout, stderr } = await execa(file, words, { reject: false, input });
    return { status: exitCode, stdout, stderr };
  }

  /** The command line that runs a command of the user's in the workspace, one that calls podman. */
  command(words: readonly string[]): [string, ...string[]] {
    return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', AS_USER, 'sh', this.#directory, ...words];
  }

  /** Copies a part of examples/ into the workspace. */
  async take(path: string): Promise<void> {
    const copy = join(this.#directory, 'workspace', path.slice(path.lastIndexOf('/') + 1));
    await copyFile(example(path), copy);
    await chown(copy, USER, USER);
  }

  /** Starts a container in the background, with the workspace and the passphrase's file. */
  async start(name: string, flags: readonly string[], command: readonly string[]): Promise<Outcome> {
    const mounts = [
      `${this.#directory}/workspace:${WORKSPACE}`,
      `${this.#directory}/passphrase:/run/secrets/passphrase:ro`,
    ];
    return this.call([
      'run',
      '--detach',
      `--name=${name}`,
      '--network=none',
      '--no-healthcheck',
      '--env=TAZPOD_PASSPHRASE_FILE=/run/secrets/passphrase',
      ...mounts.flatMap((mount) => ['--volume', mount]),
      ...flags,
      IMAGE,
      ...command,
    ]);
  }

  /** Waits for a line `ready` in what a container writes. */
  async untilReady(name: string): Promise<void> {
    await this.untilSays(name, /^ready$/);
  }

  /**
   * Waits for a line in what a container writes.
   * @throws if it ends without
   */
  async untilSays(name: string, pattern: RegExp): Promise<void> {
    const [file, ...args] = this.command(['podman', 'logs', '--follow', name]);
    const logs = execa(file, args, { all: true, buffer: false, reject: false, stdin: 'ignore' });
    const lines: string[] = [];
    try {
      for await (const line of createInterface({ input: logs.all })) {
        if (pattern.test(line)) return;
        lines.push(line);
      }
    } finally {
      logs.kill();
      await logs;
    }
    throw new Error(`the container ended without a line like ${pattern}; it wrote:\n${lines.join('\n')}`);
  }

  /** A file that the container wrote into its workspace. */
  async workspaceFile(name: string): Promise<string> {
    return readFile(join(this.#directory, 'workspace', name), 'utf8');
  }

  /** What the vault holds now. */
  async saved(): Promise<Record<string, string>> {
    return openVault(await readFile(this.#vault));
  }

  /** The files that hold a secret in the clear, of the workspace and of all that podman keeps: layers, volumes, logs. */
  leaks(): Promise<string[]> {
    return filesWithSecrets([join(this.#directory, 'workspace'), join(this.#directory, '.local')]);
  }

  /** Puts the first vault back. */
  async reset(): Promise<void> {
    await writeFile(this.#vault, await defaultVault());
    await chown(this.#vault, USER, USER);
  }

  get #vault(): string {
    return join(this.#directory, 'workspace', VAULT_FILE.slice(WORKSPACE.length));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.call(['rm', '--all', '--force', '--time', '0']);
    // The process that keeps the user namespace between two calls.
    const keeper = await readFile(join(this.#directory, 'run/libpod/tmp/pause.pid'), 'utf8').catch(() => '');
    if (/^[1-9][0-9]*$/.test(keeper.trim())) process.kill(Number(keeper), 'SIGKILL');
    await rm(this.#directory, { recursive: true, force: true });
  }
}
