// What a program writes, kept whole, and waited for by what it says: a wait ends with the event, never by the clock.
// Each wait goes on where the last one matched, as a person reads.

import type { Readable } from 'node:stream';

/** How long a wait may take before it is given up, in milliseconds: far beyond what anything here needs. */
const PATIENCE = 25_000;

export class Output {
  readonly #chunks: Buffer[] = [];
  #read = 0;
  #ended = false;
  readonly #waiting = new Set<() => void>();

  constructor(stream: Readable) {
    stream.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake();
    });
    // A terminal ends with EIO; whatever the reason, nothing more will come.
    for (const event of ['end', 'error', 'close']) {
      stream.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** All that was written so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** The same as text (UTF-8). */
  get text(): string {
    return this.bytes.toString();
  }

  /**
   * Waits until what was not matched yet contains `pattern`.
   * @throws Error with all the text if the stream ends without it, or nothing happens for too long
   */
  async waitFor(pattern: string | RegExp): Promise<RegExpExecArray> {
    const expression = typeof pattern === 'string' ? new RegExp(RegExp.escape(pattern)) : pattern;
    const found = await this.#until(() => expression.exec(this.text.slice(this.#read)), `find ${String(pattern)} in`);
    this.#read += found.index + found[0].length;
    return found;
  }

  /** Waits for the end, and gives the whole text. */
  async whole(): Promise<string> {
    await this.#until(() => this.#ended, 'reach the end of');
    return this.text;
  }

  async #until<T>(look: () => T | false | null, doing: string): Promise<T> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const seen = look();
      if (seen !== false && seen !== null) return seen;
      if (this.#ended || Date.now() >= deadline) {
        throw new Error(`cannot ${doing} this output, ${this.#ended ? 'which has ended' : 'in time'}:\n${this.text}`);
      }
      await this.#change(deadline - Date.now());
    }
  }

  async #change(patience: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patience);
    this.#waiting.add(resolve);
    await promise;
    this.#waiting.delete(resolve);
    clearTimeout(timer);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
