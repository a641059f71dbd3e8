// What is measured side by side: the inits that Debian has, ours, and the command itself as PID 1 with no init at all,
// which shows what of a figure is the machine's and the command's own.

import { join } from 'node:path';

import { PROJECT } from '../sandbox/container.ts';
import { ENVIRONMENT, INITS } from '../test/support/sandbox.ts';

export interface Contestant {
  readonly name: string;
  /** The command line that runs `command` under it. */
  readonly wrap: (command: readonly string[]) => string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Ours as a plain init: nothing to unlock. */
export const OURS: Contestant = {
  name: 'tazpod-entrypoint',
  wrap: (command) => [INITS.ours, '--', ...command],
  environment: { ...ENVIRONMENT, TAZPOD_UNLOCK: 'never' },
};

/** What every ratio is to. */
export const REFERENCE: Contestant = {
  name: 'tini',
  wrap: (command) => [INITS.tini, '--', ...command],
  environment: ENVIRONMENT,
};

export const NO_INIT: Contestant = {
  name: 'no init',
  wrap: (command) => [...command],
  environment: ENVIRONMENT,
};

export const CONTESTANTS: readonly Contestant[] = [
  OURS,
  REFERENCE,
  { name: 'dumb-init', wrap: (command) => [INITS.dumbInit, '--', ...command], environment: ENVIRONMENT },
  { name: 'catatonit', wrap: (command) => [INITS.catatonit, '--', ...command], environment: ENVIRONMENT },
];

/** What a person would write instead of us, to be run under tini. */
export const SCRIPT = join(PROJECT, 'bench/programs/shell-entrypoint');

/** Both of those that open a vault, ours first: what stands before the command. */
export const WITH_VAULT = [
  { name: OURS.name, init: [INITS.ours, '--'] },
  { name: 'tini + shell script', init: [INITS.tini, '--', SCRIPT] },
] as const;

/** Takes the contestants in turn, `rounds` times, so that a noisy moment of the machine meets all of them alike. */
export function* interleaved<T>(contestants: readonly T[], rounds: number): Generator<T> {
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < contestants.length; index++) {
      // Each round begins with another one: nobody always comes after the same neighbour.
      const contestant = contestants[(round + index) % contestants.length];
      if (contestant !== undefined) yield contestant;
    }
  }
}
