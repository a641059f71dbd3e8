// tini's flags, and ours: `tazpod-entrypoint [flags] [--] command…`. Flags end at the first word that is none, as with
// getopt's "+": what follows is the command's, byte for byte. TINI_* variables say the same as their flags.

import { readFileSync } from 'node:fs';

import { signalNumber } from './signals.ts';

export interface Arguments {
  /** The command with its arguments; empty: the operator's login shell. */
  readonly command: readonly Buffer[];
  /** -s: become a subreaper. */
  readonly subreaper: boolean;
  /** -g: signals go to the command's process group. */
  readonly group: boolean;
  /** -p: the signal that we get when our parent dies. */
  readonly parentDeathSignal: number | undefined;
  /** -e: statuses that count as 0. */
  readonly remapped: ReadonlySet<number>;
  /** -w: warn when an orphan is reaped. */
  readonly warnReaped: boolean;
  /** -v, repeated, or TINI_VERBOSITY: 0 to 3. */
  readonly verbosity: number;
  /** Nothing is run: something is printed. */
  readonly print: 'help' | 'version' | 'license' | undefined;
}

/** A flag that is none of ours, or that has a bad value: usage, exit 1, as tini. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const LICENSE = 'tazpod-entrypoint is distributed under the MIT License.\n';

/** Our own arguments as bytes, without the name that we were called by: Node's process.argv is text. */
export function ownArguments(): Buffer[] {
  const words = readFileSync('/proc/self/cmdline');
  const split: Buffer[] = [];
  for (let start = 0; start < words.length;) {
    const end = words.indexOf(0, start);
    split.push(words.subarray(start, end));
    start = end + 1;
  }
  return split.slice(1);
}

/**
 * Reads flags and TINI_* variables.
 * @throws UsageError
 */
export function parseArguments(
  words: readonly Buffer[],
  environment: Readonly<Record<string, string | undefined>>,
): Arguments {
  let subreaper = environment['TINI_SUBREAPER'] !== undefined;
  let group = environment['TINI_KILL_PROCESS_GROUP'] !== undefined;
  let verbosity = parseVerbosity(environment['TINI_VERBOSITY']);
  let parentDeathSignal: number | undefined;
  let warnReaped = false;
  let print: Arguments['print'];
  const remapped = new Set<number>();

  let index = 0;
  for (; index < words.length; index++) {
    const word = words[index]?.toString('latin1') ?? '';
    if (word === '--') {
      index++;
      break;
    }
    if (word === '--version') print ??= 'version';
    else if (word === '--help') print ??= 'help';
    else if (word.startsWith('--')) throw new UsageError(`unknown flag ${word}`);
    else if (!word.startsWith('-') || word === '-') break;
    else index += parseCluster(word, words[index + 1]);
  }
  return { command: words.slice(index), subreaper, group, parentDeathSignal, remapped, warnReaped, verbosity, print };

  /** Flags of one letter, several in a word; a value may follow its letter or be the next word. Answers the words it took beside its own. */
  function parseCluster(word: string, next: Buffer | undefined): 0 | 1 {
    for (let position = 1; position < word.length; position++) {
      const flag = word.charAt(position);
      switch (flag) {
        case 's':
          subreaper = true;
          break;
        case 'g':
          group = true;
          break;
        case 'v':
          verbosity++;
          break;
        case 'w':
          warnReaped = true;
          break;
        case 'l':
          print ??= 'license';
          break;
        case 'h':
          print ??= 'help';
          break;
        case 'p':
        case 'e': {
          const inWord = word.slice(position + 1);
          const value = inWord || next?.toString('latin1');
          if (value === undefined) throw new UsageError(`the flag -${flag} needs a value`);
          if (flag === 'p') parentDeathSignal = parseSignal(value);
          else remapped.add(parseStatus(value));
          return inWord === '' ? 1 : 0;
        }
        default:
          throw new UsageError(`unknown flag -${flag}`);
      }
    }
    return 0;
  }
}

function parseSignal(text: string): number {
  const signal = signalNumber(text);
  if (signal === undefined) throw new UsageError(`not a signal: -p ${text}`);
  return signal;
}

function parseStatus(text: string): number {
  const status = /^[0-9]{1,3}$/.test(text) ? Number(text) : 256;
  if (status > 255) throw new UsageError(`not an exit status from 0 to 255: -e ${text}`);
  return status;
}

function parseVerbosity(text: string | undefined): number {
  if (text === undefined) return 1;
  if (!/^[0-9]{1,2}$/.test(text)) throw new UsageError(`not a number: TINI_VERBOSITY=${text}`);
  return Number(text);
}
