// Nothing gets out: canaries in contents, in names of files and as the passphrase, searched for wherever they should not be, while
// the vault is unlocked, used, saved and locked, and after the end.

import { readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';

import { BRIDGE_TARGET, ENCLAVE } from '../../lib/paths.ts';
import {
  canariesOnDisk,
  createPod,
  NO_REMAINS,
  processesOf,
  remains,
  startPod,
  startUnlocked,
  WAIT,
  WITH_SECRET,
  wordsInMemory,
} from '../support/pod.ts';
import { fixture, type Running, type Sandbox } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { CANARIES, PASSPHRASE, sealVault, SECRET } from '../support/vault.ts';

const OPERATOR = 1000;
const NAME = 'name-canary-c1d0';
const WORDS = [...CANARIES, NAME] as const;
const VAULT = {
  [`${NAME}.txt`]: `${SECRET}\n`,
  [`directory-${NAME}/${NAME}`]: SECRET.repeat(1000),
  '.aws/credentials': `[default]\naws_secret_access_key = ${SECRET}\n`,
};

/** Looks into the processes of a container over and over. */
class Watch {
  readonly found = new Set<string>();
  #looks = 0;
  #isOn = true;
  readonly #watching: Promise<void>;

  constructor(running: Running) {
    this.#watching = this.#watch(running);
  }

  /** Ends it. @returns what was found, and how often was looked */
  async end(): Promise<{ readonly found: string[]; readonly looks: number }> {
    this.#isOn = false;
    await this.#watching;
    return { found: [...this.found], looks: this.#looks };
  }

  async #watch(running: Running): Promise<void> {
    while (this.#isOn) {
      this.#looks += 1;
      // Names pass through a buffer of PID 1's while the kernel reads them there: they are looked for when it is at rest.
      for (const word of await wordsInMemory(running.pid, CANARIES).catch(() => []))
        this.found.add(`memory of PID 1: ${word}`);
      for (const pid of await processesOf(running).catch(() => [])) {
        for (const file of ['cmdline', 'environ', 'comm']) {
          const bytes = await readFile(`/proc/${pid}/${file}`).catch(() => Buffer.alloc(0));
          for (const word of WORDS) if (bytes.includes(word)) this.found.add(`${file} of a process: ${word}`);
        }
      }
    }
  }
}

/** The processes of a container that run our executable. */
async function ours(running: Running): Promise<number[]> {
  const pids = await processesOf(running);
  const programs = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/exe`).catch(() => '')));
  return pids.filter((_, index) => basename(programs[index] ?? '') === 'tazpod');
}

async function inNames({ bundle }: Sandbox): Promise<string> {
  const patterns = WORDS.flatMap((word) => ['-o', '-name', `*${word}*`]).slice(1);
  return (await bundle.inspect(['find', bundle.layer, bundle.workspace, ...patterns])).stdout;
}

describe('what the vault holds, and its passphrase, are nowhere else', () => {
  /** From the unlocked vault to the end of the container. */
  async function live(pod: Sandbox, running: Running, watch: Watch): Promise<void> {
    const tazpod = (...words: string[]) => running.exec(['tazpod', ...words], { user: OPERATOR, input: PASSPHRASE });
    // A name as an argument, of the shell or of what it runs, would be ours, and found.
    const use = `
      cd ${ENCLAVE}; cat <${NAME}.txt >/dev/null; cat <${BRIDGE_TARGET}/credentials >/dev/null; echo more >>${NAME}.txt
      mkdir -p copy; cat <directory-${NAME}/${NAME} >copy/${NAME}`;
    expect(await running.exec(['sh', '-e'], { user: OPERATOR, input: use })).toMatchObject({ code: 0 });
    expect(await tazpod('save')).toMatchObject({ code: 0 });
    expect(await tazpod('lock')).toMatchObject({ code: 0 });
    // Of ours only PID 1 is left; a saver that came too late, and has read nothing, may be about to end.
    await expect.poll(() => ours(running), { timeout: 10_000 }).toEqual([running.pid]);
    expect(await wordsInMemory(running.pid, WORDS)).toEqual([]);
    expect(await tazpod('unlock', '--passphrase-file', '-')).toMatchObject({ code: 0 });
    expect(await running.exec(['sh', '-e'], { user: OPERATOR, input: use })).toMatchObject({ code: 0 });
    // It may be about to save what was changed.
    await expect.poll(() => wordsInMemory(running.pid, WORDS), { timeout: 10_000 }).toEqual([]);
    running.signal('SIGTERM');
    expect(await running.exited).toEqual({ code: 143, signal: null });
    const { found, looks } = await watch.end();
    expect(found).toEqual([]);
    expect(looks).toBeGreaterThan(0);
    expect(await remains(pod)).toEqual(NO_REMAINS);
    expect(await canariesOnDisk(pod)).toEqual([]);
    expect(await inNames(pod)).toBe('');
  }

  test.each([
    { name: 'by file', options: WITH_SECRET },
    { name: 'by variable', options: { variables: { TAZPOD_PASSPHRASE: PASSPHRASE } } },
  ])('the passphrase given $name', async ({ options }) => {
    await using pod = await createPod(await sealVault(VAULT));
    const running = await startPod(pod, WAIT, options);
    // The variable is in PID 1's environment until PID 1 wipes it.
    await running.stdout.waitFor('ready');
    await live(pod, running, new Watch(running));
    const said = (await running.stdout.whole()) + (await running.stderr.whole());
    expect(WORDS.filter((word) => said.includes(word))).toEqual([]);
  });

  test('the passphrase typed', async () => {
    await using pod = await createPod(await sealVault(VAULT));
    using terminal = await Terminal.open();
    const running = await startPod(pod, WAIT, { terminal });
    const watch = new Watch(running);
    await terminal.screen.waitFor('Passphrase: ');
    terminal.type(`${PASSPHRASE}${KEYS.enter}`);
    await terminal.screen.waitFor('ready');
    await live(pod, running, watch);
    const screen = await terminal.ended();
    expect(WORDS.filter((word) => screen.includes(word))).toEqual([]);
  });
});

describe('a process that holds secrets', () => {
  /** Kills a program that has read the passphrase. */
  async function dump(running: Running, signal: string, ...command: string[]): Promise<unknown> {
    const { stdout } = await running.exec([fixture('dump'), signal, ...command], { user: OPERATOR, input: PASSPHRASE });
    return JSON.parse(stdout);
  }

  test.each(['SIGSEGV', 'SIGABRT'])(
    'leaves no core dump at %s, though they are allowed without limit',
    async (signal) => {
      await using pod = await createPod();
      const running = await startPod(pod, WAIT, { variables: { TAZPOD_UNLOCK: 'never' } });
      await running.stdout.waitFor('ready');
      // Another program leaves one, where the machine has them written to the working directory.
      const areFiles = /^[^|/]+$/.test(await readFile('/proc/sys/kernel/core_pattern', 'utf8'));
      const either: unknown = expect.any(Boolean);
      expect(await dump(running, signal, 'sh', '-c', 'read -r secret; exec cat')).toEqual({
        signalled: true,
        dumped: areFiles || either,
        owner: OPERATOR,
      });
      await running.exec(['sh', '-c', 'rm -f /tmp/core*']);
      for (const verb of [['unlock'], ['vault', 'list', '/workspace/.tazpod/vault/vault.tar.aes']]) {
        const command = ['tazpod', ...verb, '--passphrase-fd', '0'];
        expect(await dump(running, signal, ...command)).toEqual({ signalled: true, dumped: false, owner: 0 });
      }
      expect(await canariesOnDisk(pod)).toEqual([]);
    },
  );

  test('cannot be looked into: PID 1, by the operator, nor by root without SYS_PTRACE', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    const spy = async (pid: number, user: number): Promise<unknown> =>
      JSON.parse((await running.exec([fixture('spy'), String(pid)], { user })).stdout);
    const refused = { environ: 'EACCES', mem: 'EACCES', maps: 'EACCES', auxv: 'EACCES', fd: 'EACCES', cwd: 'EACCES' };
    const untraced = { attach: 'EPERM', seize: 'EPERM', read: 'EPERM' };
    expect(await spy(1, OPERATOR)).toEqual({ ...refused, ...untraced });
    expect(await spy(1, 0)).toMatchObject({ mem: 'EACCES', ...untraced });
    // The command it may look into: it is the operator's own.
    const { stdout } = await running.exec(['pgrep', '-u', String(OPERATOR), 'sleep'], { user: OPERATOR });
    expect(await spy(Number(stdout), OPERATOR)).toMatchObject({ environ: 'done', maps: 'done' });
  });
});
