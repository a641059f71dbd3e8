// What a check finds: one line on how things are, and for what is not as it should be also why that matters and the very
// flag or line that mends it. A finding without a remedy is not one: the types ask for it.
// Names of files and of processes are escaped before they get into a message; no message holds a secret.

import { escapeName } from '../../lib/escape.ts';
import type { ErrorCode } from '../../lib/errors.ts';

export type Finding =
  | { readonly state: 'ok'; readonly message: string }
  | { readonly state: 'warning'; readonly message: string; readonly hint: string }
  | { readonly state: 'problem'; readonly message: string; readonly hint: string; readonly code: ErrorCode };

/** Nothing to do. */
export function ok(message: string): Finding {
  return { state: 'ok', message };
}

/**
 * Works, but not as well, or not for ever.
 * @param hint what to do; where there are several ways, one a line
 */
export function warning(message: string, ...hint: readonly [string, ...string[]]): Finding {
  return { state: 'warning', message, hint: hint.join('\n') };
}

/**
 * Something does not work.
 * @param code of the error that a person meets because of it: its exit status is the doctor's
 * @param hint as of a warning
 */
export function problem(code: ErrorCode, message: string, ...hint: readonly [string, ...string[]]): Finding {
  return { state: 'problem', message, hint: hint.join('\n'), code };
}

/** What to change in how the container is started, for both ways of starting one. */
export function flags(run: string, compose: string): readonly [string, string] {
  return [`docker run: ${run}`, `compose: ${compose}`];
}

/** Text that may come from anywhere (a process's name, a variable), as one line of printable characters. */
export function shown(text: string | Buffer): string {
  const escaped = escapeName(typeof text === 'string' ? Buffer.from(text) : text);
  return escaped.length > LONGEST_SHOWN ? `${escaped.slice(0, LONGEST_SHOWN)}…` : escaped;
}

const LONGEST_SHOWN = 120;

/** A few of many names. */
export function someOf(names: readonly (string | Buffer)[]): string {
  const few = names.slice(0, MOST_NAMED).map(shown).join(', ');
  return names.length > MOST_NAMED ? `${few} and ${names.length - MOST_NAMED} more` : few;
}

const MOST_NAMED = 3;
