// The manual pages: whole, and such that man and mandoc have nothing to say against them.

import { readdir, readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';

import { entrypointManual, toolManual } from '../../../build/manual.ts';
import { inline, paragraphs } from '../../../build/roff.ts';
import { sharedFiles } from '../../../build/share.ts';
import { VERBS } from '../../../cli/verbs.ts';
import { EXIT_STATUSES as INIT_STATUSES, FLAGS } from '../../../entrypoint/usage.ts';
import { TERMINAL_VARIABLES, TINI_VARIABLES, VARIABLES } from '../../../entrypoint/variables.ts';
import { EXIT_STATUSES } from '../../../lib/errors.ts';

const CLI = new URL('../../../cli/', import.meta.url);
const PAGES = { tazpod: toolManual(), 'tazpod-entrypoint': entrypointManual() };

describe.for(Object.entries(PAGES))('%s(1)', ([name, source]) => {
  test('is flawless to mandoc', async () => {
    const { stdout } = await execa('mandoc', ['-Tlint', '-Wwarning'], { input: source, reject: false });
    // No date: the same sources make the same page on every day.
    const complaints = stdout.split('\n').filter((line) => !/missing date/.test(line));
    expect(complaints).toEqual([]);
  });

  test('is flawless to groff', async () => {
    const { stderr } = await execa('groff', ['-man', '-ww', '-z', '-Tutf8'], { input: source });
    expect(stderr).toBe('');
  });

  test('lies in the package as man finds it', () => {
    const packed = sharedFiles().get(`man/man1/${name}.1.gz`);
    expect(gunzipSync(packed ?? '').toString()).toBe(source);
  });
});

test('tazpod(1) has every verb with its operands, options and their texts, and every exit status', async () => {
  const shown = await plain(PAGES.tazpod);
  for (const { name, operands, summary, options } of VERBS) {
    const section = shown.split(`tazpod ${[name, '[OPTION...]', ...operands].join(' ')} `)[1] ?? '';
    expect(section).toContain(summary.slice(1));
    const rows = Object.entries(options);
    for (const [option, { text }] of rows.filter(([, { text }]) => text !== undefined)) {
      expect(section).toMatch(RegExp(`--${option}[ A-Z]* ${RegExp.escape(text ?? '')}`));
    }
    for (const [option] of rows.filter(([, { text }]) => text === undefined))
      expect(shown).not.toContain(`--${option}`);
  }
  for (const { name, summary } of TERMINAL_VARIABLES) expect(shown).toContain(` ${name} ${summary} `);
  for (const [status, reason] of Object.entries(EXIT_STATUSES)) expect(shown).toContain(` ${status} ${reason} `);
});

test('tazpod(1) has every variable that the tool asks its environment for', async () => {
  const sources = (await readdir(CLI, { recursive: true })).filter((name) => name.endsWith('.ts'));
  const texts = await Promise.all(sources.map((name) => readFile(new URL(name, CLI), 'utf8')));
  const asked = texts.flatMap((text) => Array.from(text.matchAll(/\benv\['(TAZPOD_\w+)'\]/g), ([, name = '']) => name));
  expect(asked).toContain('TAZPOD_USER');
  for (const name of asked) expect(PAGES.tazpod).toContain(`\n.B ${inline(name)}\n`);
});

test('tazpod-entrypoint(1) has every flag, variable and exit status', async () => {
  const shown = await plain(PAGES['tazpod-entrypoint']);
  for (const [flag, text] of [...FLAGS, ...INIT_STATUSES]) expect(shown).toContain(` ${flag} ${text} `);
  for (const { name, summary } of [...TINI_VARIABLES, ...TERMINAL_VARIABLES])
    expect(shown).toContain(` ${name} ${summary} `);
  for (const { name, meaning } of VARIABLES) {
    const words = meaning.replaceAll('`', '').replaceAll('·', '•').slice(1);
    expect(shown).toMatch(RegExp(` ${name} .${RegExp.escape(words)}`));
  }
});

test('what roff would obey or change comes out as it was', async () => {
  const odd = ['.TH is no request', "'nor is this", 'a\\b \\fB "x" ~/.aws $HOME^ --a-b {…}', '  indented: as   it is'];
  const shown = await execa('man', ['--warnings', '-E', 'ascii', '-l', '-'], {
    input: `.TH X 1\n.SH X\n${paragraphs(odd)}\n`,
    env: { MANWIDTH: '120', MAN_KEEP_FORMATTING: '' },
  });
  for (const line of odd) expect(shown.stdout).toContain(line.replace('…', '...').trimStart());
  expect(() => inline('ünknown')).toThrow('cannot set "ü"');
});

/** The page as it is read, in one line. */
async function plain(source: string): Promise<string> {
  const { stdout } = await execa('man', ['--nh', '--nj', '-E', 'utf8', '-l', '-'], {
    input: source,
    env: { MANWIDTH: '120', LC_ALL: 'C.UTF-8' },
  });
  return stdout.replaceAll(/\s+/g, ' ');
}
