// The command line as a tree of places, for shells to complete: where the words so far have led, and what may follow
// there. Made from the table of verbs, like the help.

import type { OptionSpec } from './arguments.ts';
import { GLOBAL_OPTIONS } from './options.ts';
import { type Candidates, type ValueName, VALUES } from './values.ts';
import { GROUPS, HELP, VERBS } from './verbs.ts';

export interface Word {
  readonly word: string;
  readonly text: string;
}

/** An operand, or the value of an option. */
export interface Value {
  readonly name: ValueName;
  readonly candidates: Candidates;
}

export interface Option {
  readonly long: string;
  readonly short: string | undefined;
  readonly text: string;
  /** Of its value, if it takes one. */
  readonly value: Value | undefined;
}

export interface Place {
  /** The words that lead here: none, `vault`, `vault create`, `help vault`. */
  readonly path: string;
  /** The words that lead on. */
  readonly next: readonly Word[];
  readonly operands: readonly Value[];
  /** The operand is a command, and what follows it is that command's. */
  readonly takesCommand: boolean;
  readonly options: readonly Option[];
}

/** Every place that a command line can lead to. */
export function places(): Place[] {
  const top = [...wordsOf(''), ...Object.entries(GROUPS).map(([word, text]) => ({ word, text })), HELP];
  const groups = Object.keys(GROUPS);
  const help = optionsOf({ help: GLOBAL_OPTIONS.help });
  const words = (path: string, next: readonly Word[], options: readonly Option[]): Place => ({
    path,
    next,
    operands: [],
    takesCommand: false,
    options,
  });
  return [
    words('', top, optionsOf(GLOBAL_OPTIONS)),
    ...groups.map((path) => words(path, wordsOf(path), help)),
    words(
      HELP.word,
      top.filter((word) => word !== HELP),
      [],
    ),
    ...groups.map((group) => words(`${HELP.word} ${group}`, wordsOf(group), [])),
    ...VERBS.map(({ name, operands, takesCommand = false, options }) => ({
      path: name,
      next: [],
      operands: [...operands, ...(takesCommand ? ['COMMAND' as const] : [])].map(valueOf),
      takesCommand,
      options: optionsOf(options),
    })),
  ];
}

/** The verbs of a group, or those of no group. */
function wordsOf(group: string): Word[] {
  return VERBS.filter(({ name }) => (name.includes(' ') ? name.split(' ')[0] : '') === group).map(
    ({ name, summary }) => ({ word: name.slice(group === '' ? 0 : group.length + 1), text: summary }),
  );
}

/** Those that are for people. */
function optionsOf(options: Readonly<Record<string, OptionSpec>>): Option[] {
  return Object.entries(options).flatMap(([long, { short, text, value }]) =>
    text === undefined ? [] : [{ long, short, text, value: value && valueOf(value) }],
  );
}

function valueOf(name: ValueName): Value {
  return { name, candidates: VALUES[name] };
}

/** The words that lead from one place to another. */
export function stepsOf(
  places: readonly Place[],
): { readonly from: string; readonly word: string; readonly to: string }[] {
  const paths = new Set(places.map(({ path }) => path));
  return places.flatMap(({ path: from, next }) =>
    next
      .map(({ word }) => ({ from, word, to: from === '' ? word : `${from} ${word}` }))
      .filter(({ to }) => paths.has(to)),
  );
}

/** How an option may be written. */
export function namesOf({ long, short }: Option): string[] {
  return [...(short === undefined ? [] : [`-${short}`]), `--${long}`];
}
