// The race that PID 1 must win: processes of the operator exchange ~/secrets, ~/.aws and ~/secrets/.aws for links to /etc as
// fast as they can, from the container's mount namespace and from one that is older than the mounts, while the vault is
// unlocked and locked again and again. /etc is a copy that can be written to, so that what goes astray is seen.

import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { BRIDGE_TARGET, ENCLAVE, HOME, RESCUE_DIRECTORY } from '../../lib/paths.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { createPod, startPod } from './pod.ts';
import { fixture, type Running, type Sandbox } from './sandbox.ts';
import { PASSPHRASE } from './vault.ts';

/** What nobody is to touch. */
const ELSEWHERE = ['/etc', '/root', '/run', '/usr/local/bin', '/var', '/workspace'] as const;
const OWN_ETC = 'mkdir -p /var/etc; cp -a /etc/. /var/etc; mount --bind /var/etc /etc';
/** An unlock makes it where it is not there yet, which is no damage. */
const RESCUE = `mkdir -p ${RESCUE_DIRECTORY}; chown ${OPERATOR_ID}:${OPERATOR_ID} ${RESCUE_DIRECTORY}`;
const LINKS = [ENCLAVE, BRIDGE_TARGET].map((path) => `ln -s /etc ${path}.link`).join('; ');
const OLDER = 'unshare --user --map-root-user --mount';

/** What an unlock may be refused with: a place that is no directory, or not RAM, or that cannot be written to. */
const REFUSAL = /^(tazpod: warning: .*\n)*tazpod: cannot (use|write|enter|bridge|put|extract|make) /;

/** How rounds ended. */
export interface Rounds {
  readonly committed: number;
  readonly 'refused at open': number;
  readonly 'refused at commit': number;
  readonly findings: readonly string[];
}

export class SwappedHome implements AsyncDisposable {
  readonly #pod: Sandbox;
  readonly #running: Running;
  readonly #before: string;

  private constructor(pod: Sandbox, running: Running) {
    this.#pod = pod;
    this.#running = running;
    this.#before = stateOf(running);
  }

  static async create(): Promise<SwappedHome> {
    const pod = await createPod();
    try {
      const swap = fixture('swap');
      const script = `
        mkdir ${BRIDGE_TARGET}; ${LINKS}
        ${OLDER} ${swap} ${ENCLAVE} ${BRIDGE_TARGET} &
        ${swap} ${ENCLAVE} ${BRIDGE_TARGET} ${ENCLAVE}/.aws &
        wait`;
      const running = await startPod(pod, ['nice', '-n', '5', 'sh', '-c', script], {
        variables: { TAZPOD_LOG_LEVEL: 'fatal', TAZPOD_UNLOCK: 'never', TAZPOD_AUTOSAVE: 'off' },
        prepare: `${OWN_ETC}; ${RESCUE}`,
      });
      await running.stdout.waitFor('begun');
      await running.stdout.waitFor('begun');
      return new SwappedHome(pod, running);
    } catch (error) {
      await pod[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Speaks the control protocol itself: open, make `.aws`, commit, close. */
  async race(rounds: number): Promise<Rounds> {
    const { stdout, stderr } = await this.#running.exec([fixture('race-unlocks'), String(rounds)], {
      user: OPERATOR_ID,
    });
    if (stdout === '') throw new Error(`the client of the race ended early: ${stderr}`);
    return JSON.parse(stdout) as Rounds;
  }

  /**
   * The tool's own unlock and lock.
   * @returns whether it was unlocked; if not, for a reason that the tool names
   * @throws Error for what it should not end with
   */
  async unlockAndLock(): Promise<boolean> {
    const { code, stderr } = await this.#running.exec(['tazpod', 'unlock', '--passphrase-file', '-'], {
      user: OPERATOR_ID,
      input: PASSPHRASE,
    });
    if (code !== 0 && !REFUSAL.test(stderr)) throw new Error(`tazpod unlock ended with ${code}: ${stderr}`);
    const locked = await this.#running.exec(['tazpod', 'lock', '--discard'], { user: OPERATOR_ID });
    if (locked.code !== 0) throw new Error(`tazpod lock ended with ${locked.code}: ${locked.stderr}`);
    return code === 0;
  }

  /** What is not as it was, outside of the home; and what is still mounted. Undefined if all is well. */
  async damage(): Promise<string | undefined> {
    const after = stateOf(this.#running);
    if (after !== this.#before) return `something outside of ${HOME} was changed`;
    const mounts = (await this.#running.mounts()).filter(({ source }) => source === 'tazpod');
    return mounts.length === 0 ? undefined : `mounted: ${mounts.map(({ point }) => point).join(', ')}`;
  }

  /** Ends the container. */
  async stop(): Promise<number | null> {
    this.#running.signal('SIGTERM');
    return (await this.#running.exited).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pod[Symbol.asyncDispose]();
  }
}

/** Names, owners, modes, sizes and times of change of all that is elsewhere. */
function stateOf(running: Running): string {
  const hash = createHash('sha256');
  const add = (path: string): void => {
    const { ino, mode, uid, gid, nlink, size, ctimeMs } = lstatSync(path);
    hash.update(JSON.stringify([path, ino, mode, uid, gid, nlink, size, ctimeMs]));
    if ((mode & 0o170000) === 0o040000) for (const name of readdirSync(path).sort()) add(join(path, name));
  };
  for (const path of ELSEWHERE) add(running.rootPath(path));
  return hash.digest('hex');
}
