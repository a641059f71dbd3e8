// One line that tells how far a long piece of work is: redrawn in place on a terminal, and gone when the work is done or
// something else is to be said. Work that takes no time shows nothing.
// Drawn when something is told, and by one timer at the beginning, for steps that tell nothing on their way (a slow disk).

import type { Progress } from '../lib/progress.ts';
import { formatSize } from './size.ts';

/** What takes no longer needs no line. */
const UNREMARKABLE = 500; // ms
const REDRAW_AFTER = 100; // ms

/** Back to the first column; wrapping off, so that a narrow window cuts the line off instead of scrolling. */
const BEGIN_LINE = '\r\u001B[?7l';
/** Clears what an earlier, longer line left; wrapping on. */
const END_LINE = '\u001B[K\u001B[?7h';

export class ProgressLine implements Disposable {
  readonly #write: ((text: string) => void) | undefined;
  #due = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #text = '';
  #isDrawn = false;

  /** @param write undefined where nobody would see it: then nothing is ever shown */
  constructor(write: ((text: string) => void) | undefined) {
    this.#write = write;
  }

  /**
   * The work, or its next step, begins.
   * @param what in a word or two, such as "packing": no name of a file
   */
  step(what: string): Progress | undefined {
    if (this.#write === undefined) return undefined;
    this.#text = what;
    if (this.#timer === undefined) {
      this.#due = performance.now() + UNREMARKABLE;
      this.#timer = setTimeout(() => this.#draw(), UNREMARKABLE);
    } else this.#drawIfDue();
    return (done, total) => {
      this.#text = `${what}: ${amount(done, total)}`;
      this.#drawIfDue();
    };
  }

  /** Takes the line away, for a message; what is told next draws it again. */
  clear(): void {
    if (this.#isDrawn) this.#write?.(`\r${END_LINE}`);
    this.#isDrawn = false;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#due = Infinity;
    this.clear();
  }

  #drawIfDue(): void {
    if (performance.now() >= this.#due) this.#draw();
  }

  #draw(): void {
    this.#due = performance.now() + REDRAW_AFTER;
    this.#isDrawn = true;
    this.#write?.(`${BEGIN_LINE}tazpod: ${this.#text}${END_LINE}`);
  }
}

function amount(done: number, total: number | undefined): string {
  if (total === undefined) return formatSize(done);
  return `${total === 0 ? 100 : Math.floor((100 * done) / total)} % of ${formatSize(total)}`;
}
