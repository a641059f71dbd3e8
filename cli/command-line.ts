// The whole command line: which verb, or which help, or the version. A verb is one word, or two (`vault list`).

import { TazpodError } from '../lib/errors.ts';
import { type Arguments, parseArguments } from './arguments.ts';
import { groupHelp, mainHelp, verbHelp } from './help.ts';
import { nearest } from './nearest.ts';
import { GROUPS, HELP, VERBS, type Verb } from './verbs.ts';

export type Command =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'verb'; readonly verb: Verb; readonly given: Arguments };

/** Whether the outcome is to be JSON: known before the rest is understood, because a usage error is an outcome, too. */
export function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  return words.slice(0, end === -1 ? words.length : end).includes('--json');
}

/** Options that may stand before the verb as well: `tazpod --json status` is as good as `tazpod status --json`. */
const LEADING = ['--json', '--quiet', '-q'];

/** @throws TazpodError `usage` */
export function parseCommandLine(words: readonly string[]): Command {
  const verbAt = words.findIndex((word) => !LEADING.includes(word));
  const leading = verbAt === -1 ? words : words.slice(0, verbAt);
  const [first, ...rest] = words.slice(leading.length);
  if (first === undefined) {
    throw new TazpodError('usage', 'cannot tell what to do: no verb was given', {
      hint: 'tazpod --help lists the verbs',
    });
  }
  if (first === '--help' || first === '-h') return { kind: 'help', text: mainHelp() };
  if (first === '--version') return { kind: 'version' };
  if (first === HELP.word) return { kind: 'help', text: helpOf(rest.filter((word) => !LEADING.includes(word))) };
  if (first.startsWith('-')) {
    const meant = nearest(first, ['--help', '--version', '--json', '--quiet']);
    throw new TazpodError('usage', `cannot understand the option ${first}`, {
      hint: `${meant ? `did you mean ${meant}? ` : ''}tazpod --help lists what there is`,
    });
  }

  const group = membersOf(first);
  if (group.length === 0) {
    const verb = find(first);
    return commandOf(verb, parseArguments(verb, [...leading, ...rest]));
  }
  const [second, ...others] = rest;
  if (second === '--help' || second === '-h') return { kind: 'help', text: groupHelp(first, group) };
  if (second === undefined || second.startsWith('-')) {
    throw new TazpodError('usage', `cannot tell what to do: no verb follows "${first}"`, {
      hint: `tazpod ${first} --help lists its verbs`,
    });
  }
  const verb = find(`${first} ${second}`);
  return commandOf(verb, parseArguments(verb, [...leading, ...others]));
}

function commandOf(verb: Verb, given: Arguments): Command {
  return given.flag('help') ? { kind: 'help', text: verbHelp(verb) } : { kind: 'verb', verb, given };
}

function helpOf(words: readonly string[]): string {
  if (words.length === 0) return mainHelp();
  const name = words.join(' ');
  const group = membersOf(name);
  return group.length > 0 ? groupHelp(name, group) : verbHelp(find(name));
}

function membersOf(group: string): Verb[] {
  return VERBS.filter(({ name }) => name.startsWith(`${group} `));
}

function find(name: string): Verb {
  const verb = VERBS.find((verb) => verb.name === name);
  if (verb) return verb;
  const meant = nearestVerb(name);
  const [group = ''] = name.split(' ');
  const list = membersOf(group).length > 0 ? `tazpod ${group} --help` : 'tazpod --help';
  throw new TazpodError('usage', `cannot understand the verb "${name}"`, {
    hint: meant ? `did you mean "tazpod ${meant}"?` : `${list} lists the verbs`,
  });
}

/**
 * What a verb that does not exist was meant to be: one of its group, or else of all verbs, since a group too few or too
 * many is a slip as well (`list` for `vault list`).
 */
function nearestVerb(name: string): string | undefined {
  const names = [...VERBS.map((verb) => verb.name), HELP.word, ...Object.keys(GROUPS)];
  const group = name.slice(0, -lastWord(name).length);
  for (const candidates of [names.filter((other) => other.startsWith(group) && other.length > group.length), names]) {
    const meant = nearest(lastWord(name), candidates.map(lastWord));
    if (meant !== undefined) return candidates.find((candidate) => lastWord(candidate) === meant);
  }
  return undefined;
}

function lastWord(name: string): string {
  return name.slice(name.lastIndexOf(' ') + 1);
}
