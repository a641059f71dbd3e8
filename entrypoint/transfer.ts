// Giving the operator the files that were its own under another uid, when it has become the workspace's: those in its home,
// and waiting rescue copies. By descriptors, no link followed, no other file system entered: the home may be a volume that a
// hostile session has prepared. A big home does not hold up the boot: what is left then is done while the command runs.

import { chownSync, closeSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errnoName, reasonOf } from '../lib/errors.ts';
import { FORMER_OWNERS, HOME } from '../lib/paths.ts';
import { isId, type Ids } from './accounts.ts';
import { Directory } from './directory.ts';
import { Listing, type Entry } from './listing.ts';
import type { Log } from './log.ts';
import { openToList } from './names.ts';
import { nextTurn } from './next-turn.ts';
import { walk } from './walk.ts';

/** What the boot waits for it. */
const BOOT_BUDGET = 100; // ms
/** How long a signal may wait, while it goes on beside the command. */
const SLICE = 4; // ms
/** fchownat(2): that id stays as it is. */
const UNCHANGED = 0xffff_ffff;

/** What a start that did not live to see the end of it has left to do. */
export function unfinishedOwners(): Ids[] {
  if (!existsSync(FORMER_OWNERS)) return [];
  return readFileSync(FORMER_OWNERS, 'latin1')
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([uid, gid]) => isId(uid) && isId(gid) && Number(uid) > 0)
    .map(([uid, gid]) => ({ uid: Number(uid), gid: Number(gid) }));
}

/** What is to be given, held by a descriptor. */
interface Gift {
  readonly file: number;
  readonly path: string;
  readonly owner: Ids;
}

export class Transfer {
  readonly #directories: readonly Directory[];
  readonly #former: readonly Ids[];
  readonly #log: Log;
  readonly #next: (uid: number, gid: number) => Ids | undefined;
  readonly #steps: Generator<undefined, undefined>;
  #gift: Gift | undefined;
  /** Why something stays as it is. */
  #reason: unknown;
  #isDone = false;
  #isOver = false;

  private constructor(directories: readonly Directory[], former: readonly Ids[], to: Ids, log: Log) {
    this.#directories = directories;
    this.#former = former;
    this.#log = log;
    this.#next = (uid, gid) => {
      const owner = former.find((ids) => ids.uid === uid);
      return owner && { uid: to.uid, gid: owner.gid === gid ? to.gid : UNCHANGED };
    };
    this.#steps = this.#all();
  }

  /**
   * Gives the home itself, and as much of what is in the directories as the boot has time for.
   * @param paths of directories; what cannot be opened, or is somebody else's, is left out
   * @throws SystemCallError where the home cannot be given
   */
  static begin(paths: readonly string[], former: readonly Ids[], to: Ids, log: Log): Transfer {
    const directories: Directory[] = [];
    const transfer = new Transfer(directories, former, to, log);
    try {
      for (const path of paths) {
        const directory = transfer.#openRoot(path, to);
        if (directory !== undefined) directories.push(directory);
      }
      transfer.#giveFor(BOOT_BUDGET);
      if (!transfer.#isDone) transfer.#note();
      return transfer;
    } catch (error) {
      transfer.end();
      throw error;
    }
  }

  /**
   * Goes on with what the boot had no time for. On an overlay a file of the image is copied and forced to disk when it is given:
   * that is waited for in another thread.
   * @param ready resolves when the command runs
   */
  async finish(ready: Promise<void>): Promise<void> {
    await ready;
    for (let until = 0; !this.#isDone && !this.#isOver;) {
      const gift = this.#advance();
      if (gift !== undefined) {
        await chown(gift.path, gift.owner.uid, gift.owner.gid).catch((error: unknown) => this.#keeps(error));
        closeSync(gift.file);
      } else if (performance.now() >= until) {
        await nextTurn();
        until = performance.now() + SLICE;
      }
    }
  }

  /** Nothing more is given: the next start goes on. */
  end(): void {
    this.#isOver = true;
    this.#steps.return(undefined);
    for (const directory of this.#directories) directory.close();
  }

  #giveFor(milliseconds: number): void {
    const until = performance.now() + milliseconds;
    while (!this.#isDone && performance.now() < until) {
      const gift = this.#advance();
      if (gift === undefined) continue;
      try {
        chownSync(gift.path, gift.owner.uid, gift.owner.gid);
      } catch (error) {
        this.#keeps(error);
      } finally {
        closeSync(gift.file);
      }
    }
  }

  /** Looks at one entry; answers it, opened, if it is to be given. */
  #advance(): Gift | undefined {
    this.#gift = undefined;
    if (this.#steps.next().done === true) this.#finished();
    return this.#gift;
  }

  *#all(): Generator<undefined, undefined> {
    // What is looked for first: the shell's start-up files, ~/.ssh, ~/.config.
    for (const directory of this.#directories) yield* this.#top(directory);
    for (const directory of this.#directories) {
      try {
        yield* walk(directory, {
          entry: (entry) => this.#open(entry),
          refused: (error) => this.#keeps(error),
        });
      } catch (error) {
        this.#keeps(error);
      }
    }
  }

  *#top(directory: Directory): Generator<undefined, undefined> {
    using listing = new Listing();
    try {
      using opened = openToList(directory);
      for (const entry of listing.of(opened)) {
        this.#open(entry);
        yield;
      }
    } catch (error) {
      this.#keeps(error);
    }
  }

  #open(entry: Entry): void {
    try {
      const opened = entry.openToGive(this.#next);
      if (opened !== undefined) this.#gift = { ...opened, path: `/proc/self/fd/${opened.file}` };
    } catch (error) {
      this.#keeps(error);
    }
  }

  #keeps(error: unknown): void {
    const name = errnoName(error);
    if (name === undefined) throw error;
    // Gone meanwhile, or a mount point: that is not ours to enter.
    if (name !== 'ENOENT' && name !== 'EXDEV') this.#reason = error;
  }

  #finished(): void {
    this.#isDone = true;
    this.end();
    if (this.#reason !== undefined) {
      const owners = this.#former.map(({ uid }) => uid).join(', ');
      this.#log.warn(
        `not everything in the home is the operator's: some still belongs to uid ${owners} (${reasonOf(this.#reason)})`,
      );
    }
    try {
      rmSync(FORMER_OWNERS, { force: true });
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
    }
  }

  /** Where it cannot be noted, the account's numbers cannot be changed either, and the next start finds what this one found. */
  #note(): void {
    try {
      mkdirSync(dirname(FORMER_OWNERS), { recursive: true, mode: 0o755 });
      writeFileSync(FORMER_OWNERS, this.#former.map(({ uid, gid }) => `${uid}:${gid}\n`).join(''), { mode: 0o644 });
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
    }
  }

  /** Opens a directory, and gives it away itself. The home must be given, or the operator could not live in it. */
  #openRoot(path: string, to: Ids): Directory | undefined {
    let directory: Directory | undefined;
    try {
      directory = Directory.open(path);
      const { uid, gid } = directory.stat();
      const owner = this.#next(uid, gid);
      if (owner !== undefined) chownSync(directory.path(), owner.uid, owner.gid);
      if (owner !== undefined || uid === to.uid || path === HOME) return directory;
    } catch (error) {
      const name = errnoName(error);
      if (name === undefined || (path === HOME && name !== 'ENOENT')) {
        directory?.close();
        throw error;
      }
    }
    directory?.close();
    return undefined;
  }
}
