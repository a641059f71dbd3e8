// The parts that programs are divided into: each module in one of them, and none where it would be loaded before it is needed.

import { beforeAll, expect, test } from 'vitest';

import { bundleParts, type BundledPart } from '../../../build/bundle.ts';
import { divide, type Part } from '../../../build/parts.ts';

let parts: readonly Part[];
let bundled: readonly BundledPart[];
beforeAll(async () => {
  [parts, bundled] = await Promise.all([divide(), bundleParts()]);
});

function part(name: string): Part {
  const found = parts.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`there is no part ${name}`);
  return found;
}

test('a program begins with what it needs at once', () => {
  expect(part('tazpod-entrypoint').begins.at(-1)).toBe('entrypoint/main.ts');
  expect(part('tazpod').begins.at(-1)).toBe('cli/main.ts');
  expect(parts.filter(({ begins }) => begins.length > 0)).toHaveLength(2);
});

test.each([
  ['tazpod-entrypoint', 'entrypoint/signals.ts', 'tazpod-entrypoint'],
  ['tazpod-entrypoint', 'entrypoint/keeper.ts', 'entrypoint-later'],
  ['tazpod-entrypoint', 'entrypoint/transfer.ts', 'entrypoint-owner'],
  ['tazpod-entrypoint', 'node_modules/pino/pino.js', 'entrypoint-log'],
  ['tazpod', 'cli/unlock.ts', 'tazpod'],
  ['tazpod', 'lib/pack.ts', 'tazpod-save'],
  ['tazpod', 'cli/doctor.ts', 'tazpod-more'],
])('of %s %s is in the part %s', (program, module, name) => {
  expect(part(program).partOf.get(module)).toBe(name);
});

test('a part provides what others use: at once what is loaded with it, the rest when they ask', () => {
  const { provides } = part('tazpod');
  expect(provides.get('lib/errors.ts')).toBe(true);
  expect(provides.get('cli/unlock.ts')).toBe(false);
  expect(provides.has('cli/save.ts')).toBe(false);
  expect([...part('tazpod-save').provides.keys()]).toContain('cli/save.ts');
});

test('of what is loaded with the first part others get what they ask for, and nothing else', async () => {
  const [first, later] = ['tazpod-entrypoint', 'entrypoint-later'].map(
    (name) => bundled.find((candidate) => candidate.name === name)?.text.replaceAll('\\\n', '') ?? '',
  ) as [string, string];
  const [, names = ''] = /"entrypoint\/signal-router\.ts":\(\)=>\(\{([^}]*)\}\)/.exec(first) ?? [];
  expect(names).toBe('BootAborted');
  expect(later).toMatch(/\(import_signal_router\d*\(\)\)\.BootAborted/);
  expect(first).toContain('SignalRouter');
});
