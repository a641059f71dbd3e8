// How far a run is: one line that is written over, on a terminal only.

import { spell } from './record.ts';

const BETWEEN = 200; // ms
const ERASE = '\r\x1b[K';

export class Progress implements Disposable {
  readonly #name: string;
  readonly #count: number;
  readonly #began = performance.now();
  #last = 0;

  constructor(name: string, count: number) {
    this.#name = name;
    this.#count = count;
  }

  show(done: number): void {
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#last < BETWEEN) return;
    this.#last = now;
    const rate = spell(Math.round((done / (now - this.#began)) * 1000));
    process.stderr.write(`${ERASE}${this.#name}: ${spell(done)} of ${spell(this.#count)}, ${rate} a second`);
  }

  /** A line that stays. */
  say(line: string): void {
    this[Symbol.dispose]();
    process.stderr.write(`${line}\n`);
  }

  [Symbol.dispose](): void {
    if (process.stderr.isTTY) process.stderr.write(ERASE);
  }
}
