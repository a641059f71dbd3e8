// `tazpod completion`: what real shells make of the scripts.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { SHELLS } from '../../../cli/values.ts';
import { GROUPS, VERBS } from '../../../cli/verbs.ts';
import { completingShell, type CompletingShell } from './completing-shell.ts';
import { tazpod, temporaryDirectory } from './tool.ts';

const VERBS_OF_VAULT = ['create', 'extract', 'list', 'passwd', 'verify'];
const ALL_FILES = ['my dir', 'tree', 'vault file.aes'];
const DIRECTORIES = ['my dir', 'tree'];

describe.for(SHELLS)('%s', (shell) => {
  let completing: CompletingShell;
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    for (const name of DIRECTORIES) await mkdir(join(directory.path, name));
    await writeFile(join(directory.path, 'vault file.aes'), '');
    completing = await completingShell(shell, directory.path);
  }, 60_000);

  afterAll(async () => {
    await completing[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  test('completes every verb', async () => {
    const words = new Set(['help', ...VERBS.map(({ name }) => name.split(' ')[0] ?? '')]);
    expect(await completing.complete('tazpod ')).toEqual([...words].sort());
  });

  test('completes every option of every verb that is for people, and no other', async () => {
    for (const { name, options } of VERBS) {
      const shown = Object.entries(options).flatMap(([option, { text }]) => (text ? [`--${option}`] : []));
      const all = await completing.complete(`tazpod ${name} --`);
      // zsh offers an option's `=` with it.
      expect(all.map((option) => option.replace(/=$/, ''))).toEqual(shown.sort());
    }
  });

  test.for<[line: string, expected: string[]]>([
    ['unl', ['unlock']],
    ['--json st', ['status']],
    ['-q vault ', VERBS_OF_VAULT],
    ['vault ex', ['extract']],
    ['help vault ', VERBS_OF_VAULT],
    ['help comp', ['completion']],
    ['completion ', ['bash', 'fish', 'zsh']],
    ['completion --json z', ['zsh']],
    ['vault create ', DIRECTORIES],
    ['vault create tree ', ALL_FILES],
    ['vault create --force tree vau', ['vault file.aes']],
    ['vault list ', ALL_FILES],
    ['vault list -- ', ALL_FILES],
    ['vault extract v ', DIRECTORIES],
    ['unlock --passphrase-file ', ALL_FILES],
    ['unlock --passphrase-file=vau', ['vault file.aes']],
    ['vault list --max-size ', []],
    ['vault list --max-size 1g ', ALL_FILES],
    ['vault list --max-size=1g ', ALL_FILES],
    ['vault list v ', []],
    ['run mkfi', ['mkfifo']],
    ['run -q -- mkfi', ['mkfifo']],
    ['run cat vau', ['vault file.aes']],
    ['status ', []],
    ['frobnicate ', []],
    ['save --control', []],
  ])('tazpod %s', async ([line, expected]) => {
    const candidates = await completing.complete(`tazpod ${line}`);
    // Where nothing else can follow zsh offers the options without being asked for them by a dash.
    expect(expected.length > 0 ? candidates : candidates.filter((word) => !word.startsWith('-'))).toEqual(expected);
  });
});

test('every group of verbs is a word with verbs of its own', () => {
  const named = VERBS.filter(({ name }) => name.includes(' ')).map(({ name }) => name.split(' ')[0]);
  expect(Object.keys(GROUPS)).toEqual([...new Set(named)]);
});

test('the script for zsh may be sourced as well', async () => {
  const { stdout: script } = await tazpod(['completion', 'zsh']);
  const command = 'autoload -Uz compinit && compinit -u -D; source =(cat); print $_comps[tazpod]';
  expect((await execa('zsh', ['-df', '-c', command], { input: script })).stdout).toBe('_tazpod');
});

test('another shell: 2, and the nearest is named', async () => {
  const { status, stdout, stderr } = await tazpod(['completion', 'bsh']);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/"bsh": there are bash, zsh, fish\n {2}hint: did you mean bash\?/);
});

test('the script is data: on standard output, or in the JSON', async () => {
  const [text, json] = await Promise.all([tazpod(['completion', 'zsh']), tazpod(['completion', 'zsh', '--json'])]);
  expect(text.stderr).toBe('');
  expect(JSON.parse(json.stdout)).toEqual({ ok: true, shell: 'zsh', script: text.stdout });
});
