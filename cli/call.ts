// What a verb is given, and what it gives back: its checked arguments, where to speak, and the exit status.

import type { Arguments } from './arguments.ts';
import type { Output } from './output.ts';

export interface Call {
  readonly given: Arguments;
  readonly output: Output;
  /** The bytes of TAZPOD_PASSPHRASE, for verbs that take a passphrase, where it is set. */
  readonly passphraseVariable: Buffer | undefined;
}

/** 0 to 255, as a shell has it: of a command that was run, 128+n where signal n ended it, 126 and 127 where it could not be. */
export type CommandStatus = number;

/** What a verb does, to the tool's own exit status or to that of a command that it has run. */
export type Run = (call: Call) => Promise<CommandStatus>;
