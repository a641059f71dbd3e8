// `tazpod completion SHELL`: the script that lets a shell complete our command lines. It knows all of it by itself: a
// shell that had to ask the program would wait for it at every key.

import type { ExitStatus } from '../lib/errors.ts';
import type { Call } from './call.ts';
import { bashCompletion } from './completion-bash.ts';
import { fishCompletion } from './completion-fish.ts';
import { zshCompletion } from './completion-zsh.ts';
import { nearest } from './nearest.ts';
import { places } from './places.ts';
import { type Shell, SHELLS } from './values.ts';

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** The whole script for `shell`. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell](places());
}

export async function completion({ given, output }: Call): Promise<ExitStatus> {
  const word = given.operand(0);
  const shell = SHELLS.find((shell) => shell === word);
  if (shell === undefined) {
    throw given.usage(`cannot complete for the shell "${word}": there are ${SHELLS.join(', ')}`, nearest(word, SHELLS));
  }
  const script = completionScript(shell);
  output.data(script);
  output.result({ shell, script });
  return 0;
}
