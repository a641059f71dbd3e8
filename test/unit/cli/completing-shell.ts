// Shells that complete: bash and zsh at a real terminal, told by a key to insert every candidate; fish by its own
// `complete -C`. What comes back are the words that the shell would then run the program with.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

import type { Shell } from '../../../cli/values.ts';
import { Terminal } from '../../support/terminal.ts';
import { tazpod, temporaryDirectory } from './tool.ts';

const PROMPT = 'ready> ';
const KEYS = { insertAll: { bash: '\u001b*', zsh: '\u0018' }, toBeginning: '\u0001' } as const;

const SETTINGS = {
  bash: '. ./_tazpod\n',
  zsh: `fpath=($ZDOTDIR $fpath)
autoload -Uz compinit && compinit -u -D
zle -C insert-all complete-word _generic
zstyle ':completion:insert-all:*' completer _all_matches _complete
zstyle ':completion:insert-all:*' insert true
bindkey '^X' insert-all
bindkey '^A' beginning-of-line
`,
} as const;

export interface CompletingShell extends AsyncDisposable {
  /** The words that may stand at the end of `line`, sorted, directories without a slash. */
  readonly complete: (line: string) => Promise<string[]>;
}

/** A shell in `directory` that has the completion of `tazpod completion SHELL`. */
export async function completingShell(shell: Shell, directory: string): Promise<CompletingShell> {
  const settings = await temporaryDirectory();
  const script = join(settings.path, '_tazpod');
  await writeFile(script, (await tazpod(['completion', shell])).stdout);
  return shell === 'fish'
    ? { complete: (line) => askFish(script, directory, line), [Symbol.asyncDispose]: () => remove(settings) }
    : await atTerminal(shell, { directory, settings });
}

async function atTerminal(
  shell: 'bash' | 'zsh',
  at: {
    readonly directory: string;
    readonly settings: AsyncDisposable & { readonly path: string };
  },
): Promise<CompletingShell> {
  const terminal = await Terminal.open();
  const start = join(at.settings.path, '.zshrc');
  await writeFile(start, `${SETTINGS[shell]}cd '${at.directory}'\nPS1='${PROMPT}'\n`);
  // Without the files of the machine: what is seen is ours.
  const command = shell === 'bash' ? ['bash', '--noprofile', '--rcfile', start, '-i'] : ['zsh', '-d', '-i'];
  const running = execa('sh', ['-c', 'exec "$@" <"$0" >"$0" 2>&1', terminal.path, ...command], {
    reject: false,
    detached: true,
    cwd: at.settings.path,
    extendEnv: false,
    env: {
      PATH: process.env['PATH'],
      HOME: at.settings.path,
      ZDOTDIR: at.settings.path,
      INPUTRC: '/dev/null',
      TERM: 'dumb',
    },
  });
  await terminal.screen.waitFor(PROMPT);
  return {
    async complete(line) {
      // What was completed becomes the arguments of a command that shows them, between marks that no echo has.
      terminal.type(`${line}${KEYS.insertAll[shell]}${KEYS.toBeginning}printf '[%s]' begin \r`);
      const [shown] = await terminal.screen.waitFor(/\[begin\](\[[^\]]*\])*/);
      await terminal.screen.waitFor(PROMPT);
      const words = Array.from(shown.matchAll(/\[([^\]]*)\]/g), ([, word = '']) => word).slice(1);
      return candidates(words.slice(line.trimEnd().split(/ +/).length - (line.endsWith(' ') ? 0 : 1)), line);
    },
    async [Symbol.asyncDispose]() {
      terminal.type(`\u0015exit\r`);
      await running;
      terminal[Symbol.dispose]();
      await remove(at.settings);
    },
  };
}

async function askFish(script: string, directory: string, line: string): Promise<string[]> {
  const command = 'source $argv[1]; complete -C $argv[2]';
  const { stdout } = await execa('fish', ['--no-config', '-c', command, script, line], { cwd: directory });
  const lines = stdout === '' ? [] : stdout.split('\n');
  return candidates(
    lines.map((shown) => shown.split('\t')[0] ?? ''),
    line,
  );
}

/** A shell that has nothing to insert leaves what was typed. */
function candidates(words: readonly string[], line: string): string[] {
  const typed = line.slice(line.lastIndexOf(' ') + 1);
  return words
    .map((word) => word.replace(/^--[^=]+=/, '').replace(/\/$/, ''))
    .filter((word) => word !== typed)
    .sort();
}

async function remove(settings: AsyncDisposable): Promise<void> {
  await settings[Symbol.asyncDispose]();
}
