// What operands and options' values are called in the help, and with that what a shell may complete them by.

/** The shells that there is a completion for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

/** What a word may be: the name of a file, a directory or a command, one of a few words, or something that nobody can guess. */
export type Candidates = 'file' | 'directory' | 'command' | 'anything' | readonly string[];

export const VALUES = {
  COMMAND: 'command',
  DIR: 'directory',
  FILE: 'file',
  N: 'anything',
  PATH: 'file',
  SHELL: SHELLS,
  SIZE: 'anything',
} as const satisfies Readonly<Record<string, Candidates>>;

/** What an operand or a value is called. */
export type ValueName = keyof typeof VALUES;
