// Giving back what only the start needed, once the command runs, and what an unlock, a save or a lock left: garbage, and the
// pages of the executable that were touched. The kernel undoes each page when we end: milliseconds in which our parent waits.
// Dropped pages stay in the page cache; those that are needed again come back by themselves. And V8 compiles our code once.

import { readFileSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import type { Follower } from './keeper.ts';
import { collectGarbage, libc, lookUpForLater, setEngineFlags } from './native.ts';

/** A command that ends sooner is not kept waiting by this, which takes some ten milliseconds. */
const AFTER = 100; // ms
/** Nor is a client that unlocks, saves or locks: its turn is waited for, by a look now and then. */
const WHILE_BUSY = 1000; // ms
const MADV_DONTNEED = 4;
const MADV_NOHUGEPAGE = 15;
/**
 * What has run often V8 would compile again and again, for speed: here that is a few lines for each unlock, which never earn
 * back the machine code and the notes that it keeps. Its first, plain compiler stays: signals are faster for it, and it has
 * soon done all it can.
 */
const COMPILE_ONCE = '--no-maglev --no-opt';

interface Range {
  readonly address: bigint;
  readonly length: bigint;
}

/**
 * Trims PID 1's memory in a moment, and again after each unlock, save and lock, unless that is disposed of first. V8 by itself
 * would let what those leave pile up, for it is told to wake nobody (build/executable.ts).
 */
export class Trim implements Follower, Disposable {
  readonly #isBusy: () => boolean;
  #timer: NodeJS.Timeout | undefined;

  /** @param isBusy whether a client waits for PID 1 */
  constructor(isBusy: () => boolean) {
    this.#isBusy = isBusy;
    this.#soon();
  }

  unlocked(): void {
    this.#soon();
  }

  saved(): void {
    this.#soon();
  }

  locks(): void {
    this.#soon();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#soon = () => {};
  }

  #soon = (after = AFTER): void => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#isBusy()) {
        this.#soon(WHILE_BUSY);
        return;
      }
      lookUpForLater();
      // Not before: Node's own compiled code, of which the start loads some, is for an engine without these.
      setEngineFlags(COMPILE_ONCE);
      const pages = filePages();
      collectGarbage();
      libc.malloc_trim(0n);
      // In a turn of its own, in which as good as nothing is done: what runs afterwards brings its pages back.
      this.#timer = setTimeout(() => drop(pages));
    }, after);
  };
}

/** Every file mapping that is as it is in the file; the largest, which this code runs in, last. */
function filePages(): Range[] {
  const ranges: Range[] = [];
  for (const mapping of readMappings()) {
    // Only what cannot be written to, and was not: relocated constants have pages of their own, which would be lost.
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) r-[-x]p [^\n]* \/[^\n]*$/m.exec(mapping) ?? [];
    if (start === undefined || end === undefined || !/^Anonymous: +0 kB$/m.test(mapping)) continue;
    const address = BigInt(`0x${start}`);
    ranges.push({ address, length: BigInt(`0x${end}`) - address });
  }
  return ranges.sort((a, b) => Number(a.length - b.length));
}

/** Unmaps the pages (madvise(2), proc_pid_smaps(5)). Those that come back come in small pieces, not two megabytes for one touch. */
function drop(pages: readonly Range[]): void {
  for (const { address, length } of pages) {
    libc.madvise(address, length, MADV_NOHUGEPAGE);
    libc.madvise(address, length, MADV_DONTNEED);
  }
}

/** What smaps says of each mapping; nothing where there is no such file: then the pages stay. */
function readMappings(): string[] {
  try {
    return readFileSync('/proc/self/smaps', 'latin1').split('VmFlags:');
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return [];
  }
}
