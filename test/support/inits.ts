// The inits that the conformance tests run one after the other, ours and those that it is measured by. What a test says
// holds for each of its rows; where one differs, the test says so by name, and docs/init.md gives the reason.

import { existsSync } from 'node:fs';
import { describe } from 'vitest';

import type { Bytes } from '../../sandbox/launch.ts';
import { INITS, type StartOptions } from './sandbox.ts';

export interface Init {
  readonly name: string;
  /** The command line that has it run `command`. */
  readonly line: (command: readonly Bytes[], flags?: readonly string[]) => readonly [string, ...Bytes[]];
  /** How the container is started that it is PID 1 of. */
  readonly options: StartOptions;
  readonly isOurs: boolean;
}

/** A container that has nothing to unlock, and in which nothing is done but what an init does. */
const environment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  TAZPOD_UNLOCK: 'never',
  TAZPOD_STOP_TIMEOUT: 'off',
};

function init(name: string, path: string, options: StartOptions = {}): Init {
  return {
    name,
    line: (command, flags = []) => [path, ...flags, '--', ...command],
    options: { environment, ...options },
    isOurs: path === INITS.ours,
  };
}

export const OURS = init('tazpod-entrypoint', INITS.ours);
/** As `docker run --user 1000` starts it: without any privilege. */
export const OURS_UNPRIVILEGED = init('tazpod-entrypoint as uid 1000', INITS.ours, { user: 1000 });
export const TINI = init('tini', INITS.tini);
export const DUMB_INIT = init('dumb-init', INITS.dumbInit);
export const CATATONIT = init('catatonit', INITS.catatonit);

/** Those that have tini's flags. */
export const LIKE_TINI = [TINI, OURS, OURS_UNPRIVILEGED] as const;
export const ALL = [...LIKE_TINI, DUMB_INIT, CATATONIT] as const;

/** Defines the same tests for each init; one that the machine does not have is shown as skipped. */
export function describeInits(inits: readonly Init[], define: (init: Init) => void): void {
  const isThere = ({ isOurs, line }: Init): boolean => isOurs || existsSync(line([])[0]);
  for (const there of [true, false]) {
    describe.skipIf(!there).each(inits.filter((init) => isThere(init) === there))('$name', (init) => {
      define(init);
    });
  }
}
