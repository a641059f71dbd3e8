// Options that several verbs share.

import type { OptionSpec } from './arguments.ts';

type Options = Readonly<Record<string, OptionSpec>>;

/** Of every verb. */
export const COMMON_OPTIONS = {
  json: { type: 'boolean', text: 'print one JSON object on standard output, for errors too' },
  quiet: { type: 'boolean', short: 'q', text: 'leave out notes of what was done; warnings and errors still come' },
  help: { type: 'boolean', short: 'h', text: 'show this help' },
} as const satisfies Options;

/** Of the program itself, where no verb has been named. */
export const GLOBAL_OPTIONS = {
  json: COMMON_OPTIONS.json,
  quiet: COMMON_OPTIONS.quiet,
  help: { type: 'boolean', short: 'h', text: 'show the help, after a verb that of the verb' },
  version: { type: 'boolean', text: 'show the version' },
} as const satisfies Options;

/** Of every verb that needs a passphrase. */
export const PASSPHRASE_OPTIONS = {
  'passphrase-file': { type: 'string', value: 'PATH', text: 'read the passphrase from a file ("-": standard input)' },
  'passphrase-fd': { type: 'string', value: 'N', text: 'read the passphrase from an open descriptor' },
} as const satisfies Options;

/** Of the verbs that change a passphrase, beside those for the old one. */
export const NEW_PASSPHRASE_OPTIONS = {
  'new-passphrase-file': {
    type: 'string',
    value: 'PATH',
    text: 'read the new passphrase from a file ("-": standard input)',
  },
  'new-passphrase-fd': { type: 'string', value: 'N', text: 'read the new passphrase from an open descriptor' },
} as const satisfies Options;

/** Of the verbs that work on a vault file anywhere, where no enclave sets the limit. */
export const LIMIT_OPTIONS = {
  'max-size': { type: 'string', value: 'SIZE', text: 'refuse contents of more than SIZE, like 256m (default: 64m)' },
} as const satisfies Options;

/**
 * Of every verb that speaks to PID 1: its own workers inherit their connection to it, and show how far they are, where
 * nobody else writes to the terminal, although they are quiet. One on standby is started before PID 1 itself (standby.ts).
 */
export const CONTROL_OPTIONS = {
  'control-fd': { type: 'string', value: 'N' },
  standby: { type: 'boolean' },
  progress: { type: 'boolean' },
} as const satisfies Options;
