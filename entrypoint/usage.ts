// What `tazpod-entrypoint --help` shows, and the tables that it is made from: the manual page is, too.

import { TERMINAL_VARIABLES, TINI_VARIABLES, VARIABLES } from './variables.ts';

/** What is called, and what it does, in a sentence. */
export const SYNOPSIS = 'tazpod-entrypoint [flags] [--] [command [argument…]]';
export const PURPOSE =
  "Runs the command (default: the operator's login shell) as the operator, under an init that forwards signals, " +
  'reaps orphans and locks the vault before it ends.';

export const FLAGS: readonly (readonly [flag: string, text: string])[] = [
  ['-s', 'become a subreaper (where this is not PID 1; it does so by itself then)'],
  ['-p SIGNAL', 'get SIGNAL when the parent process dies'],
  ['-g', "send signals to the command's process group"],
  ['-e STATUS', 'take this exit status of the command for 0; may be repeated'],
  ['-v', 'say more; may be repeated'],
  ['-w', 'warn when an orphan was reaped'],
  ['-l', 'show the licence'],
  ['-h, --help', 'show this help'],
  ['--version', 'show the version'],
];

export const EXIT_STATUSES: readonly (readonly [status: string, meaning: string])[] = [
  ['128+n', 'signal n ended the command, or the boot'],
  ['127', 'the command was not found'],
  ['126', 'the command could not be run'],
  ['125', 'a failure of our own'],
  ['70', 'an internal error'],
  ['1', 'a bad flag'],
  ['other', "the command's own"],
];

/** The help, in lines of at most 110 characters. */
export function usage(): string {
  return `Usage: ${SYNOPSIS}

${PURPOSE.replace(', reaps', ',\nreaps')}

Flags, as tini's:
${columns(FLAGS)}

Environment:
${columns([...VARIABLES, ...TINI_VARIABLES, ...TERMINAL_VARIABLES].map(({ name, summary }) => [name, summary]))}

Exit status:
${columns(EXIT_STATUSES)}
`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
