// docs/reference.md: variables, verbs, options and exit statuses on one page, made from the tables that `--help` is made from.

import { optionRows, PURPOSE as TOOL_PURPOSE, synopsis } from '../cli/help.ts';
import { VERBS, type Verb } from '../cli/verbs.ts';
import { EXIT_STATUSES as INIT_STATUSES, FLAGS, PURPOSE as INIT_PURPOSE, SYNOPSIS } from '../entrypoint/usage.ts';
import { TERMINAL_VARIABLES, TINI_VARIABLES, VARIABLES } from '../entrypoint/variables.ts';
import { EXIT_STATUSES } from '../lib/errors.ts';

type Row = readonly (string | number)[];

/** The page, as prettier leaves it. */
export async function reference(): Promise<string> {
  const { format } = await import('prettier');
  const page = [
    '# Reference',
    '<!-- Made by `npm run reference` from the tables of `--help`. -->',
    'What may be set, called and expected. The manual pages `tazpod(1)` and `tazpod-entrypoint(1)` in the image say the ' +
      'same; what `--json` writes has [a page of its own](json.md).',
    '## `tazpod-entrypoint`',
    code(SYNOPSIS),
    INIT_PURPOSE,
    '### Variables',
    table(
      ['variable', 'default', 'meaning'],
      VARIABLES.map(({ name, standard, meaning }) => [tick(name), standard, meaning]),
    ),
    table(
      ['variable', 'meaning'],
      TINI_VARIABLES.map(({ name, summary }) => [tick(name), plain(summary)]),
    ),
    'Both programs, and what they say:',
    table(
      ['variable', 'meaning'],
      TERMINAL_VARIABLES.map(({ name, summary }) => [tick(name), plain(summary)]),
    ),
    '### Flags',
    "They are tini's.",
    table(
      ['flag', 'meaning'],
      FLAGS.map(([flag, text]) => [tick(flag), plain(text)]),
    ),
    '### Exit status',
    table(
      ['status', 'meaning'],
      INIT_STATUSES.map(([status, text]) => [status, plain(text)]),
    ),
    '## `tazpod`',
    TOOL_PURPOSE,
    ...VERBS.map(verbSection),
    '### Exit status of `tazpod`',
    'Stable: scripts may rely on each.',
    table(['status', 'meaning'], [...Object.entries(EXIT_STATUSES), ['128+n', 'ended by signal n']]),
  ];
  return format(page.join('\n\n'), { parser: 'markdown', printWidth: 120, singleQuote: true });
}

function verbSection(verb: Verb): string {
  const { summary, text, options } = verb;
  return [
    `### \`tazpod ${synopsis(verb)}\``,
    plain(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`),
    prose(text),
    table(
      ['option', 'meaning'],
      optionRows(options).map(([option, meaning]) => [tick(option), plain(meaning)]),
    ),
  ].join('\n\n');
}

/** Lines as `--help` has them: one that is indented is shown as it is. */
function prose(lines: readonly string[]): string {
  const blocks: string[] = [];
  let example: string[] = [];
  const endExample = (): void => {
    if (example.length > 0) blocks.push(code(example.join('\n')), '');
    example = [];
  };
  for (const line of lines) {
    if (line.startsWith('  ')) {
      example.push(line.slice(2));
      continue;
    }
    endExample();
    blocks.push(plain(line));
  }
  endExample();
  return blocks.join('\n');
}

/** Text that is not written for Markdown: nothing in it is to be taken for markup. Words in backticks stay code. */
function plain(text: string): string {
  return text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? `\`${part}\`` : part.replaceAll(/[\\*_<>[\]]/g, '\\$&')))
    .join('');
}

function code(text: string): string {
  return `\`\`\`sh\n${text}\n\`\`\``;
}

function tick(text: string): string {
  return `\`${text}\``;
}

function table(header: Row, rows: readonly Row[]): string {
  const lines = [header, header.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`).join('\n');
}
