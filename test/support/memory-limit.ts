// A limit on the memory of a container, as an engine sets it (`docker run --memory`): a control group of its own, version 1 or 2
// (cgroups(7)). There is none where we may not make one: without root, or in a container.

import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { readFile, rmdir, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { errnoName } from '../../lib/errors.ts';

const V1 = {
  root: '/sys/fs/cgroup/memory',
  limit: 'memory.limit_in_bytes',
  swap: '',
  events: 'memory.oom_control',
  used: 'memory.usage_in_bytes',
};
const V2 = {
  root: '/sys/fs/cgroup',
  limit: 'memory.max',
  swap: 'memory.swap.max',
  events: 'memory.events',
  used: 'memory.current',
};
const PATIENCE = 10_000; // ms

const version = [V1, V2].find(({ root, limit }) => isUsable(root, limit));

/** Whether a group that has a limit can be made here. */
export const HAS_MEMORY_LIMITS = version !== undefined;

function isUsable(root: string, limit: string): boolean {
  const group = `${root}/tazpod-${randomUUID()}`;
  try {
    mkdirSync(group);
  } catch {
    return false;
  }
  const there = readdirSync(group).includes(limit);
  rmdirSync(group);
  return there;
}

export class MemoryLimit implements AsyncDisposable {
  readonly #group: string;
  readonly #files: typeof V1;

  private constructor(files: typeof V1) {
    this.#files = files;
    this.#group = `${files.root}/tazpod-${randomUUID()}`;
    mkdirSync(this.#group);
  }

  /** @throws Error where there are no limits */
  static async create(bytes: number): Promise<MemoryLimit> {
    if (version === undefined) throw new Error('cannot limit memory on this machine');
    const limit = new MemoryLimit(version);
    await limit.set(bytes);
    const { swap } = version;
    if (swap !== '' && existsSync(`${limit.#group}/${swap}`)) await writeFile(`${limit.#group}/${swap}`, '0');
    return limit;
  }

  async set(bytes: number): Promise<void> {
    await writeFile(`${this.#group}/${this.#files.limit}`, String(bytes));
  }

  /** Takes in a process, and all that it starts from now on. */
  async take(pid: number): Promise<void> {
    await writeFile(`${this.#group}/cgroup.procs`, String(pid));
  }

  /** Bytes that the kernel cannot take back: what programs have allocated, and what is in a tmpfs. */
  async held(): Promise<number> {
    const statistics = await readFile(`${this.#group}/memory.stat`, 'utf8');
    const held = statistics.matchAll(/^(?:rss|anon|shmem) (\d+)$/gm);
    return Array.from(held, ([, bytes]) => Number(bytes)).reduce((sum, bytes) => sum + bytes, 0);
  }

  /** How many processes the kernel has ended for want of memory. */
  async kills(): Promise<number> {
    const events = await readFile(`${this.#group}/${this.#files.events}`, 'utf8');
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1]);
  }

  /** Its processes have ended, or are about to. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const end = Date.now() + PATIENCE; ; await delay(10)) {
      try {
        await rmdir(this.#group);
        return;
      } catch (error) {
        if (errnoName(error) !== 'EBUSY' || Date.now() >= end) throw error;
      }
    }
  }
}
