// What PID 1 has to say, on descriptor 2, written at once: an init has no later. JSON lines by pino, or a line for people
// on a terminal. pino is loaded when there is time; until then lines wait, and whoever ends the process writes them out.
// Never logged: a passphrase, a key, contents, or a name of a file in the vault.

import { writeSync } from 'node:fs';

import type { Logger } from 'pino';

import { withoutBrokenPipe } from './broken-pipe.ts';
import { paint } from './colour.ts';

/** pino's levels. */
export const LOG_LEVELS = { fatal: 60, error: 50, warn: 40, info: 30, debug: 20, trace: 10, silent: Infinity } as const;
export type LogLevel = keyof typeof LOG_LEVELS;
type WrittenLevel = Exclude<LogLevel, 'silent'>;

export type LogFormat = 'json' | 'pretty';

interface Entry {
  readonly level: WrittenLevel;
  readonly message: string;
  readonly hint?: string | undefined;
}

const NAME = 'tazpod-entrypoint';

export class Log {
  #level: LogLevel;
  #format: LogFormat;
  readonly #inColour: boolean;
  #pino: Logger | undefined;
  readonly #told = new Set<string>();
  #waiting: Entry[] = [];

  /** @param inColour where lines are for people */
  constructor(level: LogLevel, format: LogFormat, inColour: boolean) {
    this.#level = level;
    this.#format = format;
    this.#inColour = inColour;
  }

  configure(level: LogLevel, format: LogFormat): void {
    this.#level = level;
    this.#format = format;
  }

  error(message: string, hint?: string): void {
    this.#write({ level: 'error', message, hint });
  }

  warn(message: string, hint?: string): void {
    this.#write({ level: 'warn', message, hint });
  }

  /** For what is found again at every look. */
  warnOnce(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.warn(message);
  }

  info(message: string): void {
    this.#write({ level: 'info', message });
  }

  debug(message: string): void {
    this.#write({ level: 'debug', message });
  }

  trace(message: string): void {
    this.#write({ level: 'trace', message });
  }

  /** Loads what the format needs (some milliseconds: not before the command runs) and writes what waits. */
  async load(): Promise<void> {
    if (this.#format !== 'json' || this.#pino !== undefined) return;
    const { pino } = await import('pino');
    this.#pino = pino({ name: NAME, level: 'trace' }, { write: writeLine });
    this.flush();
  }

  /** Makes sure that nothing waits. */
  async settle(): Promise<void> {
    if (this.#waiting.length > 0) await this.load();
  }

  /** Writes what still waits, as it is. */
  flush(): void {
    for (const entry of this.#waiting.splice(0)) this.#emit(entry);
  }

  #write(entry: Entry): void {
    if (LOG_LEVELS[entry.level] < LOG_LEVELS[this.#level]) return;
    if (this.#format === 'json' && this.#pino === undefined) this.#waiting.push(entry);
    else this.#emit(entry);
  }

  #emit({ level, message, hint }: Entry): void {
    if (this.#pino !== undefined) this.#pino[level](hint === undefined ? {} : { hint }, message);
    else writeLine(`${NAME}: ${this.#prefix(level)}${message}\n${hint === undefined ? '' : `  hint: ${hint}\n`}`);
  }

  #prefix(level: WrittenLevel): string {
    if (level === 'info') return '';
    const word = level === 'warn' ? 'warning:' : `${level}:`;
    if (!this.#inColour || LOG_LEVELS[level] < LOG_LEVELS.warn) return `${word} `;
    return `${paint(word, level === 'warn' ? 'yellow' : 'red')} `;
  }
}

function writeLine(line: string): void {
  try {
    withoutBrokenPipe(() => writeSync(2, line));
  } catch {
    // A closed or full stderr (a hung-up terminal, a pipe nobody reads) must not keep an init from its duties.
  }
}
