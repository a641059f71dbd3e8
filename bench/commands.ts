// Shell commands that take turns, timed by a small program of their own, so that nothing of ours is in what they take.

import { join } from 'node:path';

import { PROJECT } from '../sandbox/container.ts';
import { Samples } from './samples.ts';

export const TIME_COMMANDS = join(PROJECT, 'bench/programs/time-commands');

/** Contestants and the shell command of each. */
export type Commands = Readonly<Record<string, string>>;

/** The command line that has them take turns. `prepare` is run before each, and not timed. */
export function timeCommandsLine(rounds: number, prepare: string, commands: Commands): string[] {
  return [TIME_COMMANDS, String(rounds), prepare, ...Object.values(commands)];
}

export interface Timed {
  readonly milliseconds: Samples;
  /** MiB: the most that one process of the command had. */
  readonly peak: Samples;
}

/** Reads what that command line printed. */
export function readTimes(printed: string, commands: Commands): Timed {
  const timed = { milliseconds: new Samples(), peak: new Samples() };
  const names = Object.keys(commands);
  for (const line of printed.trim().split('\n')) {
    const [index = -1, nanoseconds = Number.NaN, kibibytes = Number.NaN] = line.split(' ').map(Number);
    const name = names[index];
    if (name === undefined) throw new Error(`cannot read the times: ${printed}`);
    timed.milliseconds.add(name, nanoseconds / 1e6);
    timed.peak.add(name, kibibytes / 1024);
  }
  return timed;
}
