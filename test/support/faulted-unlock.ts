// Unlocks in which one system call fails, of PID 1's or of the tool's, or a signal comes at it; and what is to be seen then:
// everything or nothing, the vault file as it was, no descriptor left open in PID 1, and a next unlock that works.

import { constants } from 'node:fs';
import { open, readdir, readFile, readlink, type FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import { errnoName } from '../../lib/errors.ts';
import { ENCLAVE } from '../../lib/paths.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import type { Exit } from '../../sandbox/container.ts';
import { Control } from './control.ts';
import {
  createPod,
  NO_REMAINS,
  NOTHING,
  processesOf,
  readSecrets,
  remains,
  SECRETS,
  startPod,
  traces,
  WAIT,
} from './pod.ts';
import type { ExecResult, Running, Sandbox } from './sandbox.ts';
import { systemCallsOf, withFault, type Fault, type SystemCall } from './system-calls.ts';
import { PASSPHRASE, vaultPath } from './vault.ts';

/** Whose calls fail: those of PID 1, or those of `tazpod unlock`. */
export type Side = 'PID 1' | 'tazpod';

/** What can fail of what an unlock does. Not close(2): where it says that it failed, it has closed all the same. */
const CALLS: Readonly<Record<Side, readonly string[]>> = {
  'PID 1': (
    'openat2 openat statx fstat newfstatat statfs getdents64 readlink read write ' +
    'fsopen fsconfig fsmount mount_setattr move_mount open_tree umount2 capget ' +
    'mkdir chown chmod rename rmdir unlink symlink ' +
    'setresuid setresgid setgroups inotify_init1 inotify_add_watch'
  ).split(' '),
  tazpod: (
    'socket connect openat statx fstat newfstatat statfs readlink getdents64 read ' +
    'write chdir mkdir fchmod chmod symlink link unlink ftruncate'
  ).split(' '),
};

/** `reached`: it came to the call. `ended`: how PID 1 ended, if it did. */
export interface Outcome {
  readonly reached: boolean;
  readonly unlocked: boolean;
  readonly ended: Exit | undefined;
}

const PATIENCE = 15_000; // ms
const FIFO = '/tmp/passphrase';

export class FaultedUnlock implements AsyncDisposable {
  readonly #pod: Sandbox;
  readonly #vault: Buffer;
  #running: Running;
  #descriptors = { sockets: 0, others: 0 };

  private constructor(pod: Sandbox, vault: Buffer, running: Running) {
    this.#pod = pod;
    this.#vault = vault;
    this.#running = running;
  }

  static async create(): Promise<FaultedUnlock> {
    const pod = await createPod();
    try {
      const unlock = new FaultedUnlock(pod, await readFile(vaultPath(pod.bundle)), await start(pod));
      await unlock.#settleIn();
      return unlock;
    } catch (error) {
      await pod[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The calls that one side makes in an unlock to which nothing happens, from the reading of the passphrase on. */
  async callsOf(side: Side): Promise<SystemCall[]> {
    let calls: SystemCall[] = [];
    await this.#unlock(side, async (pid, act) => {
      calls = await systemCallsOf(pid, CALLS[side], act);
    });
    await this.#lock();
    await this.#lookAtDescriptors();
    return calls.filter((call) => !isAnsweredAlways(call));
  }

  /**
   * Unlocks with a fault, looks, and sees to it that the next one finds everything as this one did.
   * @throws Error that says what is not as it should be; the container is another one then
   */
  async try(side: Side, call: SystemCall, fault: Fault): Promise<Outcome> {
    try {
      return await this.#try(side, call, fault);
    } catch (error) {
      this.#running.signal('SIGKILL');
      await this.#begin(await this.#running.exited);
      throw error;
    }
  }

  async #try(side: Side, call: SystemCall, fault: Fault): Promise<Outcome> {
    let reached = false;
    const client = await this.#unlock(side, async (pid, act) => {
      reached = await withFault(pid, call, fault, act);
    });
    const isStop = reached && side === 'PID 1' && 'signal' in fault;
    const end = await (isStop ? within(this.#running.exited) : this.#state());
    if (typeof end !== 'string') {
      equal('after the container', await remains(this.#pod), NO_REMAINS);
      await this.#begin(end);
      return { reached, unlocked: false, ended: end };
    }
    if (end === 'unlocked') await this.#lookAtSecrets();
    else {
      if (client.code === 0) throw new Error('tazpod said that it was unlocked, and it is locked');
      if (
        !/^tazpod: cannot /m.test(client.stderr) &&
        client.signal === null &&
        client.code !== null &&
        client.code < 128
      )
        throw new Error(`tazpod gave no reason: ${client.code} ${client.stderr}`);
      equal('after a refusal', await traces(this.#pod, this.#running), NOTHING);
      await this.#unlock('PID 1', async (_, act) => void (await act()));
      await this.#lookAtSecrets();
    }
    await this.#lock();
    await this.#lookAtDescriptors();
    return { reached, unlocked: end === 'unlocked', ended: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pod[Symbol.asyncDispose]();
  }

  /** Another container, when one has ended. */
  async #begin(_ended: Exit): Promise<void> {
    this.#running = await start(this.#pod);
    await this.#settleIn();
  }

  /** Once as it should be: what is made at the first time only is there then. */
  async #settleIn(): Promise<void> {
    // No client has been here yet.
    const { sockets } = await this.#openFiles();
    await this.#unlock('PID 1', async (_, act) => void (await act()));
    await this.#lookAtSecrets();
    await this.#lock();
    this.#descriptors = { ...(await this.#openFiles()), sockets };
    await this.#lookAtDescriptors();
  }

  /** Runs the tool up to the reading of its passphrase, and from there on with `watch` around it. */
  async #unlock(side: Side, watch: (pid: number, act: () => Promise<unknown>) => Promise<void>): Promise<ExecResult> {
    let isOver = false;
    const client = this.#running.exec(['tazpod', 'unlock', '--passphrase-file', FIFO], { user: OPERATOR_ID });
    void client.then(() => (isOver = true));
    const passphrase = await openToWrite(this.#running.rootPath(FIFO), () => isOver);
    const pid = side === 'PID 1' ? this.#running.pid : await this.#pidOfClient();
    await watch(pid, async () => {
      await passphrase.write(PASSPHRASE);
      await passphrase.close();
      await client;
    });
    return await client;
  }

  async #pidOfClient(): Promise<number> {
    for (const pid of await processesOf(this.#running)) {
      const line = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
      if (line.startsWith('tazpod\0unlock\0')) return pid;
    }
    throw new Error('cannot find tazpod');
  }

  /** What PID 1 says when nothing is under way any more, or how it has ended. */
  async #state(): Promise<'locked' | 'unlocked' | Exit> {
    const settled = async (): Promise<'locked' | 'unlocked'> => {
      for (const end = Date.now() + PATIENCE; Date.now() < end; await delay(5)) {
        using control = await Control.connect(this.#running);
        const { state } = await control.request({ op: 'status' });
        if (state === 'locked' || state === 'unlocked') return state;
      }
      throw new Error('an unlock goes on and on');
    };
    // A connection that fails because PID 1 is gone: how it ended tells more.
    return await Promise.race([
      this.#running.exited,
      settled().catch(async (error: unknown) => {
        const ended = await Promise.race([this.#running.exited, delay(1000)]);
        if (ended === undefined) throw error;
        return ended;
      }),
    ]);
  }

  async #lookAtSecrets(): Promise<void> {
    equal('of secrets', await readSecrets(this.#running), SECRETS);
    equal('in the enclave', (await readdir(this.#running.rootPath(ENCLAVE))).sort(), [
      '.aws',
      '.vault_pass',
      'notes.md',
    ]);
  }

  async #lock(): Promise<void> {
    const { code, stderr } = await this.#running.exec(['tazpod', 'lock'], { user: OPERATOR_ID });
    if (code !== 0) throw new Error(`tazpod lock ended with ${code}: ${stderr}`);
    equal('after the lock', await traces(this.#pod, this.#running), NOTHING);
    const vault = await readFile(vaultPath(this.#pod.bundle));
    if (!vault.equals(this.#vault)) throw new Error('the vault file was written');
  }

  /** What PID 1 has open is what it had open before; a client that has just left may still be about to be seen to leave. */
  async #lookAtDescriptors(): Promise<void> {
    const expected = this.#descriptors;
    for (const end = Date.now() + PATIENCE; ; await delay(2)) {
      const found = await this.#openFiles();
      if (found.sockets === expected.sockets && found.others === expected.others) return;
      if (Date.now() >= end)
        throw new Error(
          `open in PID 1: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}: ${(await this.#files()).join(', ')}`,
        );
    }
  }

  async #openFiles(): Promise<{ sockets: number; others: number }> {
    const files = await this.#files();
    const sockets = files.filter((file) => file.startsWith('socket:')).length;
    return { sockets, others: files.length - sockets };
  }

  /** Those of procfs are left out: PID 1 keeps none, and one that it reads in this moment may be what Node loses (isAnsweredAlways). */
  async #files(): Promise<string[]> {
    const directory = `/proc/${this.#running.pid}/fd`;
    const names = await readdir(directory);
    const files = await Promise.all(names.map((name) => readlink(`${directory}/${name}`).catch(() => '')));
    return files.filter((file) => file !== '' && !file.startsWith('/proc/'));
  }
}

/** procfs tells the size of its files whatever happens; Node would lose the descriptor of one where it does not. */
function isAnsweredAlways({ name, text }: SystemCall): boolean {
  return name === 'statx' && /^\d+<\/proc\//.test(text);
}

async function start(pod: Sandbox): Promise<Running> {
  const running = await startPod(pod, WAIT, {
    variables: { TAZPOD_UNLOCK: 'never', TAZPOD_LOG_LEVEL: 'debug' },
    prepare: `rm -f ${FIFO}; mkfifo -m 666 ${FIFO}`,
  });
  await running.stdout.waitFor('ready');
  return running;
}

/** Opens a FIFO when it has a reader. */
async function openToWrite(path: string, isOver: () => boolean): Promise<FileHandle> {
  for (;;) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (errnoName(error) !== 'ENXIO' || isOver()) throw error;
      await delay(2);
    }
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  const late = delay(PATIENCE, undefined, { ref: false }).then(() => {
    throw new Error('the container does not end');
  });
  return await Promise.race([work, late]);
}

function equal(where: string, found: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${where}: there is ${one}, not ${other}`);
}
