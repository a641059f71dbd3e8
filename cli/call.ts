// What a verb is given, and what it gives back: its checked arguments, where to speak, and the exit status.

import type { ExitStatus } from '../lib/errors.ts';
import type { Arguments } from './arguments.ts';
import type { Output } from './output.ts';

export interface Call {
  readonly given: Arguments;
  readonly output: Output;
  /** The bytes of TAZPOD_PASSPHRASE, for verbs that take a passphrase, where it is set. */
  readonly passphraseVariable: Buffer | undefined;
}

export type Run = (call: Call) => Promise<ExitStatus>;
