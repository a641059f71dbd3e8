// The command line as a person meets it: help, version, and every way of getting it wrong.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

import { EXIT_STATUSES } from '../../../lib/errors.ts';
import { VERBS } from '../../../cli/verbs.ts';
import { tazpod } from './tool.ts';

describe('help', () => {
  test('names every verb and every exit status, on standard output', async () => {
    const { status, stdout, stderr } = await tazpod(['--help']);
    expect(status).toBe(0);
    expect(stderr).toBe('');
    for (const { name } of VERBS) expect(stdout).toContain(`  ${name} `);
    for (const [code, reason] of Object.entries(EXIT_STATUSES))
      expect(stdout).toMatch(RegExp(`^ +${code}  ${reason.replaceAll(/[()]/g, '.')}$`, 'm'));
  });

  test.for(VERBS.map(({ name }) => name))('%s: --help, -h and help show the same, with every option', async (name) => {
    const words = name.split(' ');
    const [long, short, verb] = await Promise.all([
      tazpod([...words, '--help']),
      tazpod([...words, '-h']),
      tazpod(['help', ...words]),
    ]);
    expect(long.status).toBe(0);
    expect(long.stdout).toMatch(RegExp(`^usage: tazpod ${name} `));
    expect(short.stdout).toBe(long.stdout);
    expect(verb.stdout).toBe(long.stdout);
    expect(long.stdout).toContain('--json');
    expect(long.stdout).not.toContain('--control-fd');
  });

  test("the README's table of commands has every verb", () => {
    const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    const [table = ''] = /^\| command [^]*?\n\n/m.exec(readme) ?? [];
    const commands = Array.from(table.matchAll(/`([^`]+)`/g), ([, command = '']) => command);
    for (const { name } of VERBS) {
      // Of a group the first is written out: `tazpod vault create DIR FILE`, `list FILE`.
      const short = name.split(' ').at(-1) ?? '';
      expect(commands).toContainEqual(expect.stringMatching(RegExp(`^(?:tazpod ${name}|${short})\\b`)));
    }
  });

  test('vault --help lists its verbs', async () => {
    const { status, stdout } = await tazpod(['vault', '--help']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/vault create DIR FILE[^]*vault list FILE[^]*vault extract FILE DIR[^]*vault verify FILE/);
  });

  test('--version tells the version, as text or as JSON', async () => {
    const [text, json] = await Promise.all([tazpod(['--version']), tazpod(['--version', '--json'])]);
    expect(text.stdout).toMatch(/^tazpod \d+\.\d+\.\d+\n$/);
    expect(JSON.parse(json.stdout)).toEqual({ ok: true, version: text.stdout.slice(7, -1) });
  });
});

test.for([['--json'], ['-q', '--json'], ['--json', '--quiet']])('%j may stand before the verb', async (leading) => {
  const { status, stdout, stderr } = await tazpod([...leading, 'vault', 'list', '/nonexistent/v']);
  expect({ status, stderr }).toEqual({ status: 10, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: 'configuration' });
});

describe('bad input is refused with 2, the word at fault, and where to read more', () => {
  test.for([
    { words: [], says: ['no verb was given', 'tazpod --help'] },
    { words: ['unlok'], says: ['"unlok"', 'did you mean "tazpod unlock"?'] },
    { words: ['vualt'], says: ['"vualt"', 'did you mean "tazpod vault"?'] },
    { words: ['vault', 'exrtact', 'a', 'b'], says: ['"vault exrtact"', 'did you mean "tazpod vault extract"?'] },
    { words: ['lst', 'v'], says: ['"lst"', 'did you mean "tazpod vault list"?'] },
    { words: ['verify', 'v'], says: ['"verify"', 'did you mean "tazpod vault verify"?'] },
    { words: ['password'], says: ['"password"', 'did you mean "tazpod passwd"?'] },
    { words: ['rnu', 'true'], says: ['"rnu"', 'did you mean "tazpod run"?'] },
    { words: ['vault', 'pass', 'v'], says: ['"vault pass"', 'did you mean "tazpod vault passwd"?'] },
    { words: ['run', '--quite', '--', 'true'], says: ['--quite', 'did you mean --quiet?'] },
    { words: ['vault', 'status'], says: ['"vault status"', 'did you mean "tazpod status"?'] },
    { words: ['vault', 'frobnicate'], says: ['"vault frobnicate"', 'tazpod vault --help lists the verbs'] },
    { words: ['frobnicate'], says: ['"frobnicate"', 'tazpod --help'] },
    { words: ['help', 'stauts'], says: ['"stauts"', 'did you mean "tazpod status"?'] },
    { words: ['vault'], says: ['no verb follows "vault"', 'tazpod vault --help'] },
    { words: ['--loud'], says: ['--loud', 'tazpod --help'] },
    { words: ['--verison'], says: ['--verison', 'did you mean --version?', 'tazpod --help'] },
    { words: ['status', '--loud'], says: ['--loud', 'hint: tazpod status --help'] },
    { words: ['status', '--unlokced'], says: ['--unlokced', 'did you mean --unlocked? tazpod status --help'] },
    { words: ['unlock', '--pass', 'f'], says: ['--pass', 'did you mean --passphrase-file?'] },
    { words: ['save', '--control'], says: ['--control', 'hint: tazpod save --help'] },
    { words: ['status', '-x'], says: ['-x', 'tazpod status --help'] },
    { words: ['status', '--json=yes'], says: ['--json', 'takes none'] },
    { words: ['status', 'now'], says: ['"now"', 'tazpod status --help'] },
    { words: ['lock', '--passphrase-file', 'x'], says: ['--passphrase-file', 'tazpod lock --help'] },
    { words: ['unlock', '--passphrase-file'], says: ['--passphrase-file', 'PATH', 'tazpod unlock --help'] },
    { words: ['unlock', '--passphrase-file', '--help'], says: ['--passphrase-file', 'PATH'] },
    { words: ['vault', 'list', 'v', '--passphrase-fd', 'three'], says: ['"three"', '--passphrase-fd'] },
    { words: ['vault', 'list', 'v', '--passphrase-fd', '3', '--passphrase-file', 'x'], says: ['both', 'give one'] },
    { words: ['vault', 'list'], says: ['without FILE', 'tazpod vault list --help'] },
    { words: ['vault', 'extract', 'v'], says: ['without DIR', 'tazpod vault extract --help'] },
    { words: ['vault', 'extract', 'v', ''], says: ['DIR is empty'] },
    { words: ['vault', 'list', 'a', 'b'], says: ['"b"', 'too many'] },
    { words: ['vault', 'list', 'v', '--max-size', '64q'], says: ['"64q"', '--max-size'] },
    { words: ['vault', 'list', 'v', '--max-size', '0'], says: ['"0"', '--max-size'] },
  ])('tazpod $words', async ({ words, says }) => {
    const plain = await tazpod(words);
    expect(plain.status).toBe(2);
    expect(plain.stdout).toBe('');
    expect(plain.stderr).toMatch(/^tazpod: cannot /);
    for (const part of says) expect(plain.stderr).toContain(part);
  });

  test('under --json the error is one object on standard output, and nothing else is said', async () => {
    const { status, stdout, stderr } = await tazpod(['status', '--loud', '--json']);
    expect(status).toBe(2);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      code: 'usage',
      message: 'cannot understand the option --loud',
      hint: 'tazpod status --help tells what it takes',
    });
  });
});
