// A second thread that writes small files beside its caller. To make one takes the kernel longer than all else about it, and two
// threads do it in little more than half the time. The thread is ready some fifteen milliseconds after it was begun.
// Whole files go over in batches of shared memory; each belongs to one side at a time, as its state says. A file that is too large,
// or comes while all batches are full, is refused: the caller writes it, and so neither side waits for the other.

import { constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { Worker } from 'node:worker_threads';

import { unwritable } from './unwritable.ts';

/** How both open a file: nothing that stands there is opened or followed. */
export const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

const BATCHES = 4;

/** What both threads have to know of the memory that they share. */
const LAYOUT = {
  BATCHES,
  BATCH_BYTES: 32 * 1024,
  // States of a batch: the caller's; full, and nobody's; being written; no more to come.
  EMPTY: 0,
  FULL: 1,
  TAKEN: 2,
  CLOSED: 3,
  // Behind the states: whether the thread runs; whether files have to be given their modes once more; of the first file that failed,
  // why (errno, as libuv has it) and where it is.
  READY: BATCHES,
  GIVES_MODES: BATCHES + 1,
  ERRNO: BATCHES + 2,
  FAILED_AT: BATCHES + 3,
  // A file in a batch begins with numbers: the length of its name (0 behind the last file), its mode, its size and its time (NaN:
  // none). Its name and its contents follow, each from a multiple of eight on.
  NUMBERS_BYTES: 4 * 8,
} as const;
const { BATCH_BYTES, EMPTY, FULL, CLOSED, READY, GIVES_MODES, ERRNO, FAILED_AT, NUMBERS_BYTES } = LAYOUT;

/** What files may fill of a batch: behind the last one there is a number more. */
const ROOM_BYTES = BATCH_BYTES - 8;

/** What the thread is begun with. */
interface Shared {
  readonly states: Int32Array;
  readonly batches: SharedArrayBuffer;
}

export class SecondWriter implements Disposable {
  readonly #states = new Int32Array(new SharedArrayBuffer(4 * (FAILED_AT + 1)));
  readonly #batches = new SharedArrayBuffer(BATCHES * BATCH_BYTES);
  readonly #bytes = Buffer.from(this.#batches);
  readonly #numbers = new Float64Array(this.#batches);
  /** The batch that is being filled, and what is in it. */
  #turn = 0;
  #filled = 0;
  /** Where the present file's contents go on. */
  #at = 0;
  #isStopped = false;

  /**
   * @param givesModes whether files have to be given their modes once more when they have been created
   * @returns undefined where it would not pay, or the system allows no more threads
   */
  static begin(givesModes: boolean): SecondWriter | undefined {
    if (availableParallelism() < 2) return undefined;
    try {
      return new SecondWriter(givesModes);
    } catch {
      return undefined;
    }
  }

  private constructor(givesModes: boolean) {
    this.#states[GIVES_MODES] = Number(givesModes);
    const workerData: Shared = { states: this.#states, batches: this.#batches };
    // It closes what it opens: Node need not keep a list of that.
    const thread = new Worker(SOURCE, { eval: true, workerData, trackUnmanagedFds: false });
    thread.unref();
    // One that cannot begin is never ready.
    thread.on('error', () => undefined);
  }

  /**
   * Takes a file, unless it is refused; all of its contents must follow.
   * @param path relative to the working directory, latin1
   * @throws TazpodError if an earlier file could not be written
   */
  takes(path: string, mode: number, size: number, mtime: number | undefined): boolean {
    const length = NUMBERS_BYTES + padded(path.length) + padded(size);
    if (length > ROOM_BYTES) return false;
    if (this.#filled + length > ROOM_BYTES) this.#handOver();
    if (this.#filled === 0 && !this.#isFree()) return false;
    const start = this.#turn * BATCH_BYTES + this.#filled;
    const first = start / 8;
    this.#numbers[first] = path.length;
    this.#numbers[first + 1] = mode;
    this.#numbers[first + 2] = size;
    this.#numbers[first + 3] = mtime ?? Number.NaN;
    this.#bytes.write(path, start + NUMBERS_BYTES, 'latin1');
    this.#at = start + NUMBERS_BYTES + padded(path.length);
    this.#filled += length;
    return true;
  }

  /** The next piece of the contents of the file that was taken last. */
  add(piece: Buffer): void {
    this.#bytes.set(piece, this.#at);
    this.#at += piece.length;
  }

  /**
   * Waits until all files that were taken are there.
   * @throws TazpodError if one could not be written
   */
  settle(): void {
    this.#handOver();
    for (let batch = 0; batch < BATCHES; batch++) this.#waitFor(batch);
    this.#throwFailure();
  }

  /** Ends the thread. When this returns it writes nothing any more, and what was taken and not settled may never be there. */
  [Symbol.dispose](): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (let batch = 0; batch < BATCHES; batch++) {
      Atomics.compareExchange(this.#states, batch, FULL, EMPTY);
      this.#waitFor(batch);
    }
    for (let batch = 0; batch < BATCHES; batch++) this.#become(batch, CLOSED);
  }

  #isFree(): boolean {
    const isFree = Atomics.load(this.#states, READY) === 1 && Atomics.load(this.#states, this.#turn) === EMPTY;
    // Only now: a batch that is empty because of a failure still tells which file that was.
    this.#throwFailure();
    return isFree;
  }

  #handOver(): void {
    if (this.#filled === 0) return;
    this.#numbers[(this.#turn * BATCH_BYTES + this.#filled) / 8] = 0;
    this.#become(this.#turn, FULL);
    this.#turn = (this.#turn + 1) % BATCHES;
    this.#filled = 0;
  }

  #become(batch: number, state: number): void {
    Atomics.store(this.#states, batch, state);
    Atomics.notify(this.#states, batch);
  }

  /** It takes as long as the files of some batches do: the thread never leaves one as it is. */
  #waitFor(batch: number): void {
    for (let state; (state = Atomics.load(this.#states, batch)) !== EMPTY;) Atomics.wait(this.#states, batch, state);
  }

  #throwFailure(): void {
    const errno = Atomics.load(this.#states, ERRNO);
    if (errno === 0) return;
    const at = Atomics.load(this.#states, FAILED_AT);
    const name = at + NUMBERS_BYTES;
    const path = this.#bytes.toString('latin1', name, name + (this.#numbers[at / 8] ?? 0));
    const code = getSystemErrorName(errno);
    throw unwritable(Object.assign(new Error(`${code}: ${getSystemErrorMessage(errno)}, write`), { code }), path);
  }
}

function padded(length: number): number {
  return Math.ceil(length / 8) * 8;
}

/**
 * The thread. Its text runs in a context of its own: it knows nothing of this file but what it is begun with.
 * What it does with a file is what tree-writer.ts does. After a failure it empties batches and writes no more.
 */
function serve(
  load: (name: string) => unknown,
  layout: typeof LAYOUT,
  createFlags: number,
  paddedTo8: typeof padded,
): void {
  const { openSync, writeSync, fchmodSync, futimesSync, closeSync } = load('node:fs') as typeof import('node:fs');
  const { workerData } = load('node:worker_threads') as { workerData: Shared };
  const { states, batches } = workerData;
  const [bytes, numbers] = [Buffer.from(batches), new Float64Array(batches)];
  const { BATCHES, BATCH_BYTES, EMPTY, FULL, TAKEN, CLOSED, READY, GIVES_MODES, ERRNO, FAILED_AT, NUMBERS_BYTES } =
    layout;

  /** @returns where the next one is */
  const write = (start: number): number => {
    // One by one: taken from an array they cost more.
    const first = start / 8;
    const nameLength = numbers[first] ?? 0;
    const mode = numbers[first + 1] ?? 0;
    const size = numbers[first + 2] ?? 0;
    const mtime = numbers[first + 3] ?? 0;
    const name = start + NUMBERS_BYTES;
    const end = name + paddedTo8(nameLength) + size;
    const path = bytes.toString('latin1', name, name + nameLength);
    const descriptor = openSync(/[\x80-\xff]/.test(path) ? Buffer.from(path, 'latin1') : path, createFlags, mode);
    try {
      if (states[GIVES_MODES] === 1) fchmodSync(descriptor, mode);
      for (let at = end - size; at < end;) at += writeSync(descriptor, bytes, at, end - at);
      const time = mtime < 0 ? new Date(mtime * 1000) : mtime;
      if (!Number.isNaN(mtime)) futimesSync(descriptor, time, time);
    } finally {
      closeSync(descriptor);
    }
    return paddedTo8(end);
  };

  Atomics.store(states, READY, 1);
  for (let turn = 0; Atomics.load(states, turn) !== CLOSED;) {
    Atomics.wait(states, turn, EMPTY);
    if (Atomics.compareExchange(states, turn, FULL, TAKEN) !== FULL) continue;
    let at = turn * BATCH_BYTES;
    try {
      while (states[ERRNO] === 0 && numbers[at / 8] !== 0) at = write(at);
    } catch (error) {
      states[FAILED_AT] = at;
      // EIO for what is no failure of the system's.
      Atomics.store(states, ERRNO, (error as NodeJS.ErrnoException).errno ?? -5);
    }
    Atomics.store(states, turn, EMPTY);
    Atomics.notify(states, turn);
    turn = (turn + 1) % BATCHES;
  }
}

const SOURCE = `(${serve.toString()})(require, ${JSON.stringify(LAYOUT)}, ${CREATE}, ${padded.toString()})`;
