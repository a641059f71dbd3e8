// Asking a person: on the controlling terminal itself, never on standard input or output, with echo off.
// Where there is no terminal nothing is asked. On every way out, a signal included, the terminal's modes are as they were.
// The typed bytes live in Buffers that are wiped, never in a string.

import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { TazpodError } from '../lib/errors.ts';
import { wipe } from '../lib/passphrase.ts';
import { Interrupted, Interruption } from './interruption.ts';
import { PassphraseLine, type Typed } from './passphrase-line.ts';

const TERMINAL = '/dev/tty';
const BELL = '\u0007';

/** The controlling terminal, while something is being asked. */
export class Prompt implements Disposable {
  readonly #output: number;
  /** What was typed after the end of a line: the beginning of the next answer. */
  #ahead: Buffer = Buffer.alloc(0);

  private constructor(output: number) {
    this.#output = output;
  }

  /** The terminal to ask on, or nothing where there is none. */
  static open(): Prompt | undefined {
    try {
      return new Prompt(openSync(TERMINAL, constants.O_WRONLY | constants.O_NOCTTY));
    } catch {
      return undefined;
    }
  }

  /** Tells the person something. */
  say(text: string): void {
    try {
      writeSync(this.#output, text);
    } catch {
      // The terminal has hung up: reading will tell.
    }
  }

  /**
   * Asks for one passphrase.
   * @returns its bytes, for the caller to wipe; there is at least one
   * @throws TazpodError `no-passphrase` when nothing was typed; Interrupted on Ctrl-C or a signal
   */
  async ask(question: string): Promise<Buffer> {
    using interruption = new Interruption();
    using line = new PassphraseLine();
    const { promise, resolve } = Promise.withResolvers<Ending>();
    const { input, take } = this.#listen(line, resolve);
    try {
      input.setRawMode(true);
      this.say(question);
      take(this.#ahead);
      input.on('error', () => resolve('hung up')).on('end', () => resolve('hung up'));
      input.resume();
      const ending = await interruption.orEndOf(promise);
      if (ending === 'interrupted') throw new Interrupted('SIGINT');
      const typed = line.copy();
      if (ending !== 'done' || typed.length === 0) {
        wipe(typed);
        throw new TazpodError('no-passphrase', 'cannot go on: no passphrase was typed');
      }
      return typed;
    } finally {
      restore(input);
      this.say('\n');
    }
  }

  [Symbol.dispose](): void {
    wipe(this.#ahead);
    closeSync(this.#output);
  }

  /** A reader of the terminal that types into `line`; it reads into memory of ours, not of Node's pool. */
  #listen(line: PassphraseLine, resolve: (ending: Ending) => void) {
    let ended = false;
    const take = (bytes: Buffer): void => {
      let at = 0;
      while (!ended && at < bytes.length) {
        const typed: Typed = line.type(bytes[at++] ?? 0);
        if (typed === 'full') this.say(BELL);
        else if (typed !== 'more') {
          ended = true;
          resolve(typed);
        }
      }
      const rest = Buffer.alloc(bytes.length - at);
      bytes.copy(rest, 0, at);
      wipe(bytes);
      this.#ahead = rest;
    };
    const chunk = Buffer.alloc(256);
    const onread = {
      buffer: chunk,
      callback: (length: number): boolean => {
        take(chunk.subarray(0, length));
        return !ended;
      },
    };
    const input = new ReadStream(openSync(TERMINAL, constants.O_RDONLY | constants.O_NOCTTY), { onread });
    return { input, take };
  }
}

type Ending = Exclude<Typed, 'more' | 'full'> | 'hung up';

function restore(input: ReadStream): void {
  try {
    input.setRawMode(false);
  } catch {
    // A terminal that has hung up has no modes to restore.
  }
  input.destroy();
}
