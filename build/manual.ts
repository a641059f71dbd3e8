// The manual pages tazpod(1) and tazpod-entrypoint(1), made from the tables that `--help` is made from.

import { optionRows, PURPOSE as TOOL_PURPOSE, usageOf } from '../cli/help.ts';
import { GLOBAL_OPTIONS } from '../cli/options.ts';
import { GROUPS, HELP, VERBS, type Verb } from '../cli/verbs.ts';
import { EXIT_STATUSES as INIT_STATUSES, FLAGS, PURPOSE as INIT_PURPOSE, SYNOPSIS } from '../entrypoint/usage.ts';
import { TERMINAL_VARIABLES, TINI_VARIABLES, type Variable, VARIABLES } from '../entrypoint/variables.ts';
import { VERSION } from '../entrypoint/version.ts';
import { EXIT_STATUSES } from '../lib/errors.ts';
import { BRIDGE_TARGET, CONTROL_SOCKET, ENCLAVE, HOOKS_DIRECTORY, VAULT_FILE } from '../lib/paths.ts';
import { page, paragraphs, section, subsection, terms, title } from './roff.ts';

/** Those that the tool itself heeds; the others are PID 1's. */
const TOOL_VARIABLES = ['TAZPOD_PASSPHRASE', 'TAZPOD_PASSPHRASE_FILE', 'TAZPOD_USER', 'TAZPOD_RESCUE_DIR'];

const FILES: [string, string][] = [
  [VAULT_FILE, 'the vault'],
  [`${VAULT_FILE}.bak`, 'the vault as the session before the last save began with it'],
  [ENCLAVE, 'the enclave: the contents of the vault, in RAM, while it is unlocked'],
  [BRIDGE_TARGET, "the enclave's .aws"],
  [CONTROL_SOCKET, 'where tazpod speaks to PID 1'],
  [
    HOOKS_DIRECTORY,
    'programs that run, as the operator, when the vault has been unlocked (unlocked.d), before it is locked (locking.d), and before the container ends (stopping.d)',
  ],
];

/** tazpod(1) */
export function toolManual(): string {
  return page(
    title('tazpod', VERSION),
    section('NAME', 'tazpod \\- unlock, save and lock the vault of a TazPod container'),
    section('SYNOPSIS', paragraphs(['`tazpod` VERB [OPTION…]'])),
    section('DESCRIPTION', paragraphs([TOOL_PURPOSE])),
    section('OPTIONS', terms(optionRows(GLOBAL_OPTIONS))),
    section(
      'VERBS',
      ...VERBS.map(verbSection),
      subsection(`tazpod ${HELP.word} [VERB]`, paragraphs([sentence(HELP.text)])),
      ...Object.entries(GROUPS).map(([group, text]) =>
        subsection(`tazpod ${group} --help`, paragraphs([sentence(text)])),
      ),
    ),
    section(
      'ENVIRONMENT',
      terms(VARIABLES.filter(({ name }) => TOOL_VARIABLES.includes(name)).map(variableRow)),
      terms(TERMINAL_VARIABLES.map(({ name, summary }) => [name, summary])),
      paragraphs(['', 'The others, which PID 1 reads, are in tazpod-entrypoint(1).']),
    ),
    section('FILES', terms(FILES)),
    section('EXIT STATUS', terms([...Object.entries(EXIT_STATUSES), ['128+n', 'ended by signal n']])),
    section('SEE ALSO', '.BR tazpod\\-entrypoint (1)'),
  );
}

function verbSection(verb: Verb): string {
  return subsection(
    `tazpod ${usageOf(verb)}`,
    paragraphs([sentence(verb.summary), '', ...verb.text]),
    terms(optionRows(verb.options)),
  );
}

/** tazpod-entrypoint(1) */
export function entrypointManual(): string {
  return page(
    title('tazpod-entrypoint', VERSION),
    section('NAME', 'tazpod\\-entrypoint \\- init of a TazPod container'),
    section('SYNOPSIS', paragraphs([SYNOPSIS.replace(/^\S+/, '`$&`')])),
    section('DESCRIPTION', paragraphs([INIT_PURPOSE])),
    section('OPTIONS', paragraphs(["The flags are tini's."]), terms(FLAGS)),
    section(
      'ENVIRONMENT',
      terms(VARIABLES.map(variableRow)),
      terms([...TINI_VARIABLES, ...TERMINAL_VARIABLES].map(({ name, summary }) => [name, summary])),
    ),
    section('FILES', terms(FILES)),
    section('EXIT STATUS', terms(INIT_STATUSES)),
    section('SEE ALSO', '.BR tazpod (1)'),
  );
}

function variableRow({ name, standard, meaning }: Variable): [string, string] {
  return [name, standard === '–' ? sentence(meaning) : `${sentence(meaning)} Default: ${standard}.`];
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`.replace(/:\.$/, ':');
}
