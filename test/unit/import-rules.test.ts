// Who may import whom (ARCHITECTURE.md), by what really gets into the programs: lint sees static imports of a file, the bundler also
// follows dynamic ones, and those of what is imported.

import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { expect, test } from 'vitest';

const PROJECT = join(import.meta.dirname, '../..');

/** Everything that a program's first file leads to. */
async function reachedFrom(entry: string): Promise<Metafile['inputs']> {
  const { metafile } = await build({
    absWorkingDir: PROJECT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    external: ['pino', 'tar', 'signal-exit'],
    logLevel: 'silent',
  });
  return metafile.inputs;
}

const imports = (inputs: Metafile['inputs'], name: string): string[] =>
  Object.entries(inputs)
    .filter(([, input]) => input.imports.some(({ path }) => path === name))
    .map(([file]) => file);

test('of what knows the vault PID 1 has nothing: of lib it reaches three files', async () => {
  const reached = Object.keys(await reachedFrom('entrypoint/main.ts')).filter(
    (file) => !file.startsWith('entrypoint/'),
  );
  expect(reached.sort()).toEqual(['lib/errors.ts', 'lib/paths.ts', 'lib/protocol.ts', 'package.json']);
});

test('the tool reaches nothing of PID 1', async () => {
  const reached = Object.keys(await reachedFrom('cli/main.ts'));
  expect(reached).toContain('lib/vault-file.ts');
  expect(reached.filter((file) => !/^(?:cli|lib)\/|^package\.json$/.test(file))).toEqual([]);
});

test('native calls stand in one file of each part', async () => {
  expect(imports(await reachedFrom('entrypoint/main.ts'), 'node:ffi')).toEqual(['entrypoint/native.ts']);
  expect(imports(await reachedFrom('cli/main.ts'), 'node:ffi').sort()).toEqual(['cli/native.ts', 'lib/native.ts']);
});

test('lib knows neither the process that it runs in nor a console', async () => {
  const inputs = { ...(await reachedFrom('cli/main.ts')), ...(await reachedFrom('entrypoint/main.ts')) };
  const strangers = ['node:process', 'process', 'node:console', 'console'].flatMap((name) => imports(inputs, name));
  expect(strangers.filter((file) => file.startsWith('lib/'))).toEqual([]);
});
