// A person's shell on the host, on a real terminal: in an empty project directory, with a home, `tazpod` and the docker client.
// Not root's, as a person's seldom is: who owns what the person makes is what the container has to live with.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { execa } from 'execa';

import { DIST } from '../../build/executable.ts';
import type { Typist } from '../../recording/transcript.ts';
import { PseudoTerminal, type Size } from '../../sandbox/pseudo-terminal.ts';
import { Screen } from './screen.ts';

const PERSON = 1000;
/** A terminal as wide as the lines of the documents: none of them is folded. */
const SIZE = { columns: 400, rows: 50 };

/** What is typed at a question. */
export const PASSPHRASE = 'correct horse battery staple';

/** What the documents seal. */
export const SECRETS = {
  '.aws/credentials': '[default]\naws_access_key_id = AKIAEXAMPLE\n',
  'notes.md': 'call the landlord\n',
};

/** The same, where the first vault is made of it. */
export const FIRST_SECRETS = Object.fromEntries(
  Object.entries(SECRETS).map(([name, text]) => [`my-secrets/${name}`, text]),
);

export interface HostShellOptions {
  /** What the docker client's `run` is given first. */
  readonly runFlags: readonly string[];
  /** Files of the home and of the project, by their relative names. */
  readonly home?: Readonly<Record<string, string>>;
  readonly project?: Readonly<Record<string, string | Uint8Array>>;
  readonly size?: Size;
}

export class HostShell implements Typist, AsyncDisposable {
  static readonly prompt = '$ ';
  readonly #directory: string;
  readonly #pty: PseudoTerminal;
  readonly #screen: Screen;
  readonly #ended: Promise<unknown>;

  private constructor(directory: string, pty: PseudoTerminal, ended: Promise<unknown>) {
    this.#directory = directory;
    this.#pty = pty;
    this.#screen = new Screen(pty.screen);
    this.#ended = ended;
  }

  static async open({ runFlags, home = {}, project = {}, size = SIZE }: HostShellOptions): Promise<HostShell> {
    const directory = await mkdtemp(join(tmpdir(), 'tazpod-person-'));
    const place = (name: string): string => join(directory, name);
    for (const name of ['bin', 'home', 'project']) await mkdir(place(name));
    await writeFile(
      place('bin/docker'),
      `#!/bin/sh
[ "$1" = run ] && shift && set -- run ${runFlags.join(' ')} "$@"
PATH=\${PATH#*:} exec docker "$@"
`,
    );
    await chmod(place('bin/docker'), 0o755);
    await fill(place('home'), home);
    await fill(place('project'), project);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await execa('chown', ['--recursive', `${PERSON}:${PERSON}`, directory]);

    const pty = new PseudoTerminal(size);
    const shell = ['bash', '--norc', '--noprofile', '-i'];
    const person = isRoot ? await asPerson() : [];
    const child = spawn('setsid', ['-c', '-w', ...person, ...shell], {
      cwd: place('project'),
      env: {
        ...process.env,
        HOME: place('home'),
        PATH: [place('bin'), process.env['PATH'], DIST].join(delimiter),
        PS1: HostShell.prompt,
        TERM: 'xterm-256color',
      },
      stdio: [pty.slave, pty.slave, pty.slave],
    });
    const hostShell = new HostShell(directory, pty, once(child, 'exit'));
    pty.releaseSlave();
    return hostShell;
  }

  waitFor(pattern: RegExp): Promise<unknown> {
    return this.#screen.waitFor(pattern);
  }

  async type(line: string): Promise<void> {
    this.press(`${line}\r`);
  }

  press(keys: string): void {
    this.#pty.screen.write(keys);
  }

  /** Tells all that the screen is sent from now on, as it is sent. */
  onScreen(listener: (text: string) => void): void {
    const decoder = new StringDecoder('utf8');
    this.#pty.screen.on('data', (bytes: Buffer) => listener(decoder.write(bytes)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pty[Symbol.dispose]();
    await this.#ended;
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function fill(directory: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, contents] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), contents);
  }
}

/** Words that run a command as a person who may call the engine. */
async function asPerson(): Promise<string[]> {
  const socket = (process.env['DOCKER_HOST'] ?? '').replace(/^unix:\/\//, '') || '/var/run/docker.sock';
  const { gid } = await stat(socket);
  return ['setpriv', `--reuid=${PERSON}`, `--regid=${PERSON}`, `--groups=${gid}`];
}
