// Watching the enclave for changes (inotify(7)): a watch on each directory, and one wake-up at the first event; what comes
// after waits in the kernel until it is asked for. Names in the events are never looked at, and are zeroed.
// Changes through a mapping of a file are not seen (the close of its descriptor is), nor are those in a directory that may
// not be read, which without root is possible: the save at the lock finds them.

import { closeSync, constants, fstatSync } from 'node:fs';
import { constants as systemConstants } from 'node:os';

import { errnoName } from '../lib/errors.ts';
import { PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import type { Directory } from './directory.ts';
import { Entry } from './listing.ts';
import { check, cString, lastErrno, libc } from './native.ts';
import { ReadinessPoll } from './readiness.ts';
import { walk } from './walk.ts';

// <sys/inotify.h>
const IN_NONBLOCK = constants.O_NONBLOCK;
const IN_CLOEXEC = 0o2000000;
const IN_MODIFY = 0x2;
const IN_ATTRIB = 0x4;
const IN_CLOSE_WRITE = 0x8;
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_Q_OVERFLOW = 0x4000;
const IN_ONLYDIR = 0x01000000;
/** Not about files that have no name any more: they are in no vault. */
const IN_EXCL_UNLINK = 0x04000000;
const IN_ISDIR = 0x40000000;

const CONTENTS = IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE;
const WATCHED = CONTENTS | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK;
/** What may have brought a directory that has no watch yet; without root also one that may be read at last. */
const NEW_DIRECTORY = IN_MOVED_TO | IN_CREATE | IN_ATTRIB;

/** struct inotify_event: watch, mask, cookie, length of the name; 32 bits each. */
const EVENT = { mask: 4, length: 12, name: 16 } as const;
const BUFFER_BYTES = 2 ** 14;

/** How long PID 1 may be busy with the walk before it looks for signals again. */
const SLICE = 5; // ms

/** What has happened since one looked last. */
export interface Changes {
  /** Contents, or names. */
  readonly contents: boolean;
  /** Modes, or owners. */
  readonly attributes: boolean;
}

export class Watch {
  readonly #root: Directory;
  readonly #inotify: number;
  readonly #poll: ReadinessPoll;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #walking: Generator<undefined, undefined> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => undefined;
  #isClosed = false;
  #hasNewDirectories = true;
  #isWhole = true;

  /**
   * Watches nothing yet: that is for `cover`.
   * @throws SystemCallError `EMFILE` where there are too many watchers (fs.inotify.max_user_instances)
   */
  constructor(root: Directory) {
    this.#root = root;
    this.#inotify = check('inotify_init1', libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    try {
      this.#poll = new ReadinessPoll(this.#inotify, () => this.#wake());
    } catch (error) {
      closeSync(this.#inotify);
      throw error;
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether every directory is watched that may be read. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Resolves at the next event, or when the watch is closed. */
  event(): Promise<void> {
    this.#poll.start();
    return this.#woken();
  }

  /** Resolves when the time is over, or when the watch is closed. Events wait. */
  pause(milliseconds: number): Promise<void> {
    this.#timer = setTimeout(() => this.#wake(), Math.ceil(milliseconds));
    return this.#woken();
  }

  /** Takes all events that wait. */
  take(): Changes {
    let seen = 0;
    for (;;) {
      const end = Number(libc.read(this.#inotify, this.#buffer, BigInt(BUFFER_BYTES)));
      if (end <= 0) break;
      for (let at = 0; at < end; at += EVENT.name + this.#buffer.readUInt32LE(at + EVENT.length)) {
        const mask = this.#buffer.readUInt32LE(at + EVENT.mask);
        seen |= mask;
        if ((mask & IN_ISDIR) !== 0 && (mask & NEW_DIRECTORY) !== 0) this.#hasNewDirectories = true;
      }
      this.#buffer.fill(0, 0, end);
    }
    if ((seen & IN_Q_OVERFLOW) !== 0) this.#hasNewDirectories = true;
    return { contents: (seen & (CONTENTS | IN_Q_OVERFLOW)) !== 0, attributes: (seen & IN_ATTRIB) !== 0 };
  }

  /**
   * Watches the directories that are new since the last time; the first time all of them. In slices: other work comes in
   * between, a `close` too.
   * @returns whether anything was changed between the unlock and the watching of it, which only the first time can tell
   */
  async cover(): Promise<boolean> {
    if (this.#isClosed || !this.#hasNewDirectories) return false;
    this.#hasNewDirectories = false;
    this.#isWhole = true;
    const isFirst = this.#walking === undefined;
    // Written last by the unlock. Without it there is no telling.
    const unlocked = new Entry(this.#root, cString(PASSPHRASE_CACHE_NAME)).stat()?.changed;
    let isChanged = isFirst && unlocked === undefined;
    const compare = (changed: bigint | undefined): void => {
      isChanged ||= changed !== undefined && unlocked !== undefined && changed > unlocked;
    };
    this.#walking = walk(this.#root, {
      directory: (directory) => {
        // Watched first: nothing comes in between.
        this.#add(directory);
        if (isFirst) compare(fstatSync(directory.descriptor, { bigint: true }).ctimeNs);
      },
      refused: (error) => {
        if (errnoName(error) === 'EMFILE') this.#isWhole = false;
      },
      ...(isFirst ? { entry: (entry) => isChanged || compare(entry.stat()?.changed) } : {}),
    });
    for (let began = performance.now(); this.#walking.next().done !== true;) {
      if (performance.now() - began < SLICE) continue;
      await new Promise((resolve) => setImmediate(resolve));
      began = performance.now();
    }
    return isChanged;
  }

  /** Watches no more; nothing of it keeps the enclave from being unmounted. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#walking?.return(undefined);
    this.#poll.close();
    closeSync(this.#inotify);
    clearTimeout(this.#timer);
    this.#wake();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** By its descriptor, which was opened without following anything. One that is watched already stays so. */
  #add(directory: Directory): void {
    if (libc.inotify_add_watch(this.#inotify, cString(directory.path()), WATCHED) !== -1) return;
    // Not to be read: the operator's own doing, where we are not root.
    if (lastErrno() !== systemConstants.errno.EACCES) this.#isWhole = false;
  }
}
