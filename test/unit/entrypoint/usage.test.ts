// The tables that help, manual and README are made from, held to what the program heeds.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { parseArguments, UsageError } from '../../../entrypoint/arguments.ts';
import { readConfiguration } from '../../../entrypoint/configuration.ts';
import { EXIT_STATUSES, FLAGS, usage } from '../../../entrypoint/usage.ts';
import { TERMINAL_VARIABLES, TINI_VARIABLES, VARIABLES } from '../../../entrypoint/variables.ts';
import { EXIT_STATUSES as TOOL_STATUSES } from '../../../lib/errors.ts';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

/** The variables that `read` asks its environment for. */
function asked(read: (environment: Record<string, string | undefined>) => unknown): string[] {
  const names = new Set<string>();
  read(
    new Proxy<Record<string, string | undefined>>(
      {},
      {
        get(_, name) {
          names.add(String(name));
          return undefined;
        },
      },
    ),
  );
  return [...names];
}

test('every variable that is read is in the table, and no other', () => {
  // The passphrase itself is taken out of the environment before any of it is read.
  const read = ['TAZPOD_PASSPHRASE', ...asked((environment) => readConfiguration(environment, false))];
  expect(VARIABLES.map(({ name }) => name).sort()).toEqual(read.sort());
  const tinis = asked((environment) => parseArguments([], environment));
  expect(TINI_VARIABLES.map(({ name }) => name).sort()).toEqual(tinis.sort());
});

test('the defaults are what holds where nothing is set', () => {
  const words = VARIABLES.flatMap(({ name, standard }) => {
    const [, word] = /^`([^`]+)`$/.exec(standard) ?? [];
    return word === undefined ? [] : [[name, word] as const];
  });
  const environment = Object.fromEntries(words);
  expect(Object.keys(environment)).toContain('TAZPOD_ENCLAVE_SIZE');
  expect(readConfiguration(environment, false)).toEqual(readConfiguration({}, false));
});

test('every flag that is taken is in the table, and no other', () => {
  const letters = Array.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789');
  const taken = letters.filter((letter) => {
    try {
      parseArguments([Buffer.from(`-${letter}`), Buffer.from('1')], {});
      return true;
    } catch (error) {
      if (error instanceof UsageError && /unknown flag/.test(error.message)) return false;
      throw error;
    }
  });
  const listed = FLAGS.flatMap(([flag]) => Array.from(flag.matchAll(/(?:^| )-(\w)/g), ([, letter = '']) => letter));
  expect(listed.sort()).toEqual(taken.sort());
  for (const long of FLAGS.flatMap(([flag]) => /--\w+/.exec(flag) ?? [])) {
    expect(parseArguments([Buffer.from(long)], {}).print).toBeDefined();
  }
});

test('the help has a line for each, and none is too long for a terminal', () => {
  const lines = usage().split('\n');
  for (const [left, right] of [
    ...FLAGS,
    ...EXIT_STATUSES,
    ...[...VARIABLES, ...TINI_VARIABLES, ...TERMINAL_VARIABLES].map(({ name, summary }) => [name, summary] as const),
  ]) {
    expect(lines.filter((line) => line.trim().startsWith(`${left} `) && line.endsWith(` ${right}`))).toHaveLength(1);
  }
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(110);
});

test("the README's table is the same", () => {
  const [, rows = ''] = /^\| variable [^\n]*\n\| -[^\n]*\n((?:\|[^\n]*\n)+)/m.exec(README) ?? [];
  const cells = rows
    .trimEnd()
    .split('\n')
    .map((row) => row.split(/ *(?<!\\)\| */).slice(1, -1));
  expect(cells).toEqual(VARIABLES.map(({ name, standard, meaning }) => [`\`${name}\``, standard, meaning]));
});

test('the README has every exit status', () => {
  const [, text = ''] = /\n## Exit codes\n([^]*?)\n## /.exec(README) ?? [];
  const [tool = '', init = ''] = text.replaceAll('\n', ' ').split('`tazpod-entrypoint`:');
  for (const status of [...Object.keys(TOOL_STATUSES), '128+n'])
    expect(tool).toMatch(RegExp(`[ ·]${RegExp.escape(status)} `));
  for (const [status] of EXIT_STATUSES.filter(([status]) => status !== 'other')) expect(init).toContain(status);
});
