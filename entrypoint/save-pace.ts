// When to save: some quiet time after the last change, but not for ever after the first; and not so often that saving is all
// that happens. Knows nothing but times, in milliseconds of any clock that only goes forward.

/** A series of changes is over when nothing has come for so long: less while it is young, so that it is safe soon. */
export const QUIET = { least: 250, most: 500 } as const;
/** After so long a series that goes on is saved all the same. */
export const LONGEST = 30_000;
/** What a save earns of rest: so many bytes of the vault are written in a millisecond, and no more. */
const BYTES_PER_MILLISECOND = (4 * 2 ** 20) / 1000;

export class SavePace {
  #first: number | undefined;
  #last = 0;
  #began = 0;
  #bytes = 0;
  #restedAt = 0;

  /** Something has changed, no earlier than when this was asked last. */
  changed(now: number): void {
    this.#first ??= now;
    this.#last = now;
  }

  /** Whether there is something to save. */
  get isDue(): boolean {
    return this.#first !== undefined;
  }

  /** How long to wait before looking for more changes; 0: a save is due; undefined: there is nothing to save. */
  wait(now: number): number | undefined {
    if (this.#first === undefined) return undefined;
    const quiet = Math.min(Math.max((this.#last - this.#first) / 4, QUIET.least), QUIET.most);
    const due = Math.min(this.#last + quiet, this.#first + LONGEST);
    return Math.max(0, Math.max(due, this.#restedAt) - now);
  }

  /** A save begins: what changes from now on may not be in it. */
  saveBegins(now: number): void {
    this.#first = undefined;
    this.#began = now;
    this.#bytes = 0;
  }

  /** It has written a vault of so many bytes. */
  wrote(bytes: number): void {
    this.#bytes = bytes;
  }

  /** It has ended. The next one waits for as long as this one took, at the least, whatever has become of it. */
  saveEnds(now: number): void {
    const rest = Math.max(this.#bytes / BYTES_PER_MILLISECOND, now - this.#began);
    this.#restedAt = now + Math.min(rest, LONGEST);
  }
}
