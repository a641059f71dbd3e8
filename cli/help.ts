// What `--help` shows: of the program its verbs and exit statuses, of a verb its options, all made from the tables that
// the program itself goes by.

import { EXIT_STATUSES } from '../lib/errors.ts';
import type { OptionSpec } from './arguments.ts';
import { GLOBAL_OPTIONS } from './options.ts';
import { HELP, VERBS, type Verb } from './verbs.ts';

/** What the program is, in a sentence. */
export const PURPOSE =
  "The vault tool of TazPod: the operator's secrets, encrypted in one file, readable only in RAM while unlocked.";

/** The help of the whole program. */
export function mainHelp(): string {
  return [
    'usage: tazpod VERB [OPTION…]',
    '',
    PURPOSE,
    '',
    'verbs:',
    ...columns([...VERBS.map((verb) => [synopsis(verb), verb.summary] as const), [`${HELP.word} [VERB]`, HELP.text]]),
    '',
    'options:',
    ...columns(optionRows(GLOBAL_OPTIONS)),
    '',
    'exit status:',
    ...columns(
      [...Object.entries(EXIT_STATUSES), ['128+n', 'ended by signal n'] as const].map(
        ([status, reason]) => [status.padStart(5), reason] as const,
      ),
    ),
    '',
  ].join('\n');
}

/** The help of a group of verbs, like `vault`. */
export function groupHelp(group: string, verbs: readonly Verb[]): string {
  return [
    `usage: tazpod ${group} VERB [OPTION…]`,
    '',
    ...columns(verbs.map((verb) => [synopsis(verb), verb.summary] as const)),
    '',
    `tazpod help ${group} VERB tells more.`,
    '',
  ].join('\n');
}

/** The help of one verb. */
export function verbHelp(verb: Verb): string {
  return [
    `usage: tazpod ${usageOf(verb)}`,
    '',
    `${verb.summary.charAt(0).toUpperCase()}${verb.summary.slice(1)}.`,
    '',
    ...verb.text,
    '',
    'options:',
    ...columns(optionRows(verb.options)),
    '',
  ].join('\n');
}

/** Of each option that is for people: how it is written, and what it does. */
export function optionRows(options: Readonly<Record<string, OptionSpec>>): [string, string][] {
  return Object.entries(options).flatMap(([name, { short, value, text }]) =>
    text ? [[`${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}`, text]] : [],
  );
}

/** A verb and all that may follow it. */
export function usageOf(verb: Verb): string {
  return [verb.name, '[OPTION…]', ...wordsAfterOptions(verb)].join(' ');
}

/** A verb and what it is about, without options. */
export function synopsis(verb: Verb): string {
  return [verb.name, ...wordsAfterOptions(verb)].join(' ');
}

function wordsAfterOptions({ operands, takesCommand }: Verb): string[] {
  return [...operands, ...(takesCommand ? ['--', 'COMMAND…'] : [])];
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
