// Where words go: data to stdout, messages to stderr with the program's name, one JSON object to stdout under --json.
// Written with plain system calls (`process.stdout` costs milliseconds), so that all of it is out when the program ends.
// A reader that has gone away (`tazpod vault list … | head`) ends the program quietly, as SIGPIPE would.
// Names of files must be escaped before they get here.

import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { errnoName, TazpodError, type ExitStatus } from '../lib/errors.ts';
import { paint, wantsColour } from './colour.ts';
import { Interrupted } from './interruption.ts';
import { ProgressLine } from './progress-line.ts';

const STDOUT = 1;
const STDERR = 2;

export class Output {
  readonly #json: boolean;
  readonly #quiet: boolean;
  readonly #showsProgress: boolean;
  #line: ProgressLine | undefined;

  /** `quiet`: only warnings and errors; `progress`: and how far long work is, which quiet alone leaves out. */
  constructor({
    json,
    quiet = false,
    progress = !quiet,
  }: {
    readonly json: boolean;
    readonly quiet?: boolean;
    readonly progress?: boolean;
  }) {
    this.#json = json;
    this.#quiet = quiet;
    this.#showsProgress = progress && !json;
  }

  /** The same output, without notes. */
  quieter(options: { readonly progress: boolean }): Output {
    return new Output({ json: this.#json, quiet: true, ...options });
  }

  /** Whether a person is likely to read the messages as they come. */
  get isWatched(): boolean {
    return isatty(STDERR);
  }

  /** How far long work is: shown where it can be redrawn, and a person may be watching. One at a time. */
  progress(): ProgressLine {
    const isShown = this.#showsProgress && this.isWatched && !['', 'dumb'].includes(process.env['TERM'] ?? '');
    return (this.#line = new ProgressLine(isShown ? (text) => write(STDERR, text) : undefined));
  }

  /** What was done. Under --json the result says it. */
  note(message: string): void {
    if (!this.#json && !this.#quiet) this.#say(`tazpod: ${message}\n`);
  }

  /** What a person should know though it went well. */
  warn(message: string): void {
    this.#say(`tazpod: ${inColour('warning:', 'yellow')} ${message}\n`);
  }

  /** The outcome for programs, shown under --json only. */
  result(fields: Readonly<Record<string, unknown>>): void {
    if (this.#json) write(STDOUT, `${JSON.stringify({ ok: true, ...fields })}\n`);
  }

  /** The data that a person asked for; under --json the result carries it. */
  data(text: string): void {
    this.#line?.clear();
    if (!this.#json) write(STDOUT, text);
  }

  /**
   * Tells what went wrong.
   * @param fields what programs may want to know beside it
   * @returns the status to exit with
   */
  fail(error: unknown, fields: Readonly<Record<string, unknown>> = {}): ExitStatus {
    const { code, message, hint, exitStatus } =
      error instanceof TazpodError
        ? error
        : new TazpodError(
            'unexpected',
            `cannot go on: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
            { hint: 'this is a defect of tazpod: report it with these lines' },
          );
    if (this.#json) {
      write(STDOUT, `${JSON.stringify({ ok: false, code, message, ...(hint ? { hint } : {}), ...fields })}\n`);
    } else {
      this.#say(`${inColour('tazpod:', 'red')} ${message}\n${hint ? `  hint: ${hint}\n` : ''}`);
    }
    return exitStatus;
  }

  #say(text: string): void {
    this.#line?.clear();
    write(STDERR, text);
  }
}

function inColour(word: string, colour: 'red' | 'yellow'): string {
  return wantsColour(process.env, isatty(STDERR)) ? paint(word, colour) : word;
}

function write(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (error) {
      // A pipe that somebody else made non-blocking, and that is full: its reader needs a moment.
      if (errnoName(error) === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      else if (errnoName(error) === 'EPIPE' && descriptor === STDOUT) throw new Interrupted('SIGPIPE');
      // A message that nobody can read is no reason to stop what it tells about.
      else if (descriptor === STDERR) return;
      else throw error;
    }
  }
}
