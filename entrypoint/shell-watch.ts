// Waking up when interactive shells may have come or gone, and at no other time. That one comes is seen by its terminal, which the
// kernel makes in /dev/pts, and by what it writes there first, its prompt (inotify(7)); that one goes, whoever its parent is and
// however it ends, by a descriptor of the process (pidfd_open(2)). Nothing that is typed or shown is ever looked at.

import { closeSync, constants, readdirSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { check, cString, libc, systemCall } from './native.ts';
import { readLife } from './process-life.ts';
import { ReadinessPoll } from './readiness.ts';
import type { Shells } from './shells.ts';

const TERMINALS = '/dev/pts';

// <sys/inotify.h>
const IN_NONBLOCK = constants.O_NONBLOCK;
const IN_CLOEXEC = 0o2000000;
const IN_MODIFY = 0x2;
/** Its owner changes: where we are not root it may be watched only then. */
const IN_ATTRIB = 0x4;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_ONESHOT = 0x80000000;

const ONE_WRITE = (IN_MODIFY | IN_ONESHOT) >>> 0;

const BUFFER_BYTES = 2 ** 12;

/** A shell whose end we wait for. */
interface Followed {
  readonly descriptor: number;
  readonly poll: ReadinessPoll;
}

export class ShellWatch {
  readonly #shells: Shells;
  readonly #inotify: number;
  readonly #poll: ReadinessPoll;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  readonly #followed = new Map<number, Followed>();
  /** The container's own: the command is at it from the start, and was looked at. */
  readonly #ownTerminal = readLife(process.pid)?.terminal;
  readonly #closed = Promise.withResolvers<void>();
  #hasNews = false;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => undefined;
  #isClosed = false;

  /** @throws SystemCallError where there are no terminals, or too many watchers (fs.inotify.max_user_instances) */
  constructor(shells: Shells) {
    this.#shells = shells;
    this.#inotify = check('inotify_init1', libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    try {
      const watched = IN_CREATE | IN_DELETE | IN_ATTRIB;
      check('inotify_add_watch', libc.inotify_add_watch(this.#inotify, cString(TERMINALS), watched));
      this.#poll = new ReadinessPoll(this.#inotify, () => this.#news());
    } catch (error) {
      closeSync(this.#inotify);
      throw error;
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** How many interactive shells there are now. */
  look(): number {
    this.#hasNews = false;
    while (libc.read(this.#inotify, this.#buffer, BigInt(BUFFER_BYTES)) > 0n);
    this.#poll.start();
    let shells = this.#shells.find();
    // Listened to first, then looked at once more: whatever comes in between is not missed.
    if (this.#listen(new Set(shells.values()))) shells = this.#shells.find();
    for (const pid of this.#followed.keys()) if (!shells.has(pid)) this.#unfollow(pid);
    return [...shells.keys()].filter((pid) => this.#follows(pid)).length;
  }

  /** Resolves when `look` may see something new, or when the watch is closed. */
  news(): Promise<void> {
    return this.#hasNews || this.#isClosed ? Promise.resolve() : this.#woken();
  }

  /** Resolves when the time is over, or when the watch is closed. */
  async pause(milliseconds: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    this.#timer = setTimeout(over.resolve, Math.ceil(milliseconds));
    await Promise.race([over.promise, this.#closed.promise]);
  }

  /** Watches no more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const pid of this.#followed.keys()) this.#unfollow(pid);
    this.#poll.close();
    closeSync(this.#inotify);
    clearTimeout(this.#timer);
    this.#closed.resolve();
    this.#wake();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #news(): void {
    this.#hasNews = true;
    this.#wake();
  }

  /**
   * Has us woken by the next thing that is written to a terminal without a shell: one may be about to begin there.
   * @returns whether there is such a terminal
   */
  #listen(taken: ReadonlySet<number>): boolean {
    let isListening = false;
    for (const name of readdirSync(TERMINALS)) {
      const terminal = deviceOf(name);
      if (terminal === undefined || terminal === this.#ownTerminal || taken.has(terminal)) continue;
      const path = cString(`${TERMINALS}/${name}`);
      if (libc.inotify_add_watch(this.#inotify, path, ONE_WRITE) !== -1) isListening = true;
    }
    return isListening;
  }

  /** Whether its end will be seen: it is still there. */
  #follows(pid: number): boolean {
    if (this.#followed.has(pid)) return true;
    const descriptor = openProcess(pid);
    if (descriptor === undefined) return false;
    const poll = new ReadinessPoll(descriptor, () => {
      this.#unfollow(pid);
      this.#news();
    });
    poll.start();
    this.#followed.set(pid, { descriptor, poll });
    // Its number may have become another's before we had hold of it.
    if (this.#shells.terminalOf(pid) !== undefined) return true;
    this.#unfollow(pid);
    return false;
  }

  #unfollow(pid: number): void {
    const followed = this.#followed.get(pid);
    if (followed === undefined) return;
    this.#followed.delete(pid);
    followed.poll.close();
    closeSync(followed.descriptor);
  }
}

/** The device number of /dev/pts/N as /proc/PID/stat tells it: major 136, minor N (pts(4), proc_pid_stat(5)). */
function deviceOf(name: string): number | undefined {
  if (!/^[0-9]+$/.test(name)) return undefined;
  const minor = Number(name);
  return ((minor & 0xfff00) << 12) | (136 << 8) | (minor & 0xff);
}

/** Undefined for one that is gone. */
function openProcess(pid: number): number | undefined {
  try {
    return systemCall('pidfd_open', pid, 0);
  } catch (error) {
    if (errnoName(error) !== 'ESRCH') throw error;
    return undefined;
  }
}
