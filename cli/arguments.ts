// The command line of one verb, checked against what the verb takes: options, operands, nothing else.
// Every refusal is a usage error that names the word and where to read more. `node:util` cuts the line into tokens;
// the checks are ours, because its own messages name no verb.

import { parseArgs } from 'node:util';
import { TazpodError } from '../lib/errors.ts';
import { nearest } from './nearest.ts';
import type { ValueName } from './values.ts';

export interface OptionSpec {
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  /** What the value is called in the help. */
  readonly value?: ValueName;
  /** What it does, for the help; an option without a text is for PID 1's own use and not shown. */
  readonly text?: string;
}

/** What a verb takes. */
export interface Grammar {
  /** Its words: `unlock`, `vault create`. */
  readonly name: string;
  /** Names of its operands, all of them required. */
  readonly operands: readonly ValueName[];
  /** After its own options, and a `--` if it is there, come the words of a command, which are not looked at. */
  readonly takesCommand?: true;
  readonly options: Readonly<Record<string, OptionSpec>>;
}

/** A verb's options and operands, all of them known to its grammar. */
export class Arguments {
  readonly #verb: string;
  readonly #values: ReadonlyMap<string, readonly (string | true)[]>;
  readonly #operands: readonly string[];
  /** The words of the command, of a verb that takes one: at least one. */
  readonly command: readonly string[];

  constructor(
    verb: string,
    values: ReadonlyMap<string, readonly (string | true)[]>,
    operands: readonly string[],
    command: readonly string[] = [],
  ) {
    this.#verb = verb;
    this.#values = values;
    this.#operands = operands;
    this.command = command;
  }

  flag(name: string): boolean {
    return this.#values.has(name);
  }

  value(name: string): string | undefined {
    return this.values(name).at(-1);
  }

  /** All values of an option, in their order. */
  values(name: string): readonly string[] {
    return (this.#values.get(name) ?? []).filter((value) => value !== true);
  }

  /** @throws TazpodError `usage` unless the value is a descriptor's number */
  descriptor(name: string): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,9}$/.test(value))
      throw this.usage(`cannot use "${value}" for --${name}: it is not a descriptor's number`);
    return Number(value);
  }

  /** The operand at `index`, which the grammar promises. */
  operand(index: number): string {
    return this.#operands[index] ?? '';
  }

  /** A usage error of this verb; `meant` is what the word at fault was probably meant to be. */
  usage(message: string, meant?: string): TazpodError {
    return usageError(this.#verb, message, meant);
  }
}

/**
 * Reads the words that follow a verb.
 * @throws TazpodError `usage` for an unknown option, a value missing or too many, operands missing or too many
 */
export function parseArguments(grammar: Grammar, words: readonly string[]): Arguments {
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      Object.entries(grammar.options).map(([name, { type, short }]) => [name, { type, ...(short ? { short } : {}) }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, (string | true)[]>();
  const operands: string[] = [];
  const own = grammar.takesCommand ? tokens.slice(0, commandAt(tokens)) : tokens;
  const command = wordsAfter(words, tokens[own.length]);
  for (const token of own) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind === 'option') {
      values.set(token.name, [...(values.get(token.name) ?? []), valueOf(grammar, token)]);
    }
  }
  if (!values.has('help')) {
    checkOperands(grammar, operands);
    if (grammar.takesCommand && !command[0])
      throw usageError(grammar.name, `cannot run "${grammar.name}" without COMMAND`);
  }
  return new Arguments(grammar.name, values, operands, command);
}

interface Token {
  readonly kind: 'option' | 'positional' | 'option-terminator';
  readonly index: number;
}

/** Where the command begins among the tokens: at the first that is no option. */
function commandAt(tokens: readonly Token[]): number {
  const at = tokens.findIndex(({ kind }) => kind !== 'option');
  return at === -1 ? tokens.length : at;
}

/** The words from `token` on, without the `--` itself. */
function wordsAfter(words: readonly string[], token: Token | undefined): readonly string[] {
  return token === undefined ? [] : words.slice(token.kind === 'option-terminator' ? token.index + 1 : token.index);
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function valueOf(grammar: Grammar, { name, rawName, value, inlineValue }: OptionToken): string | true {
  const option = Object.hasOwn(grammar.options, name) ? grammar.options[name] : undefined;
  if (!option) throw unknownOption(grammar, rawName);
  if (option.type === 'boolean') {
    if (value !== undefined) throw usageError(grammar.name, `cannot give ${rawName} a value: it takes none`);
    return true;
  }
  // `--passphrase-file --json` forgot the value; one that starts with "-" can still be written `--option=-value`.
  if (value === undefined || (!inlineValue && value.startsWith('-') && value !== '-')) {
    throw usageError(grammar.name, `cannot use ${rawName} without its value ${option.value ?? ''}`.trimEnd());
  }
  return value;
}

function checkOperands({ name, operands }: Grammar, given: readonly string[]): void {
  const missing = operands[given.length];
  if (missing !== undefined) throw usageError(name, `cannot run "${name}" without ${missing}`);
  const surplus = given[operands.length];
  if (surplus !== undefined) throw usageError(name, `cannot tell what "${surplus}" is for: too many words`);
  // The empty word is what an unset shell variable leaves; as a path it would mean this directory or nothing at all.
  const empty = given.indexOf('');
  if (empty !== -1) throw usageError(name, `cannot run "${name}": ${operands[empty]} is empty`);
}

function unknownOption({ name, options }: Grammar, given: string): TazpodError {
  const shown = Object.keys(options).filter((option) => options[option]?.text !== undefined);
  const meant = nearest(
    given,
    shown.map((option) => `--${option}`),
  );
  return usageError(name, `cannot understand the option ${given}`, meant);
}

function usageError(verb: string, message: string, meant?: string): TazpodError {
  const hint = `${meant ? `did you mean ${meant}? ` : ''}tazpod ${verb} --help tells what it takes`;
  return new TazpodError('usage', message, { hint });
}
