// Both programs as one CommonJS text: what the single executable carries.
// CommonJS, because a one-file ESM bundle hoists the imports that are meant to be lazy; `import()` becomes a lazy
// `require` for the same reason, and because a single executable has no ESM loader.

import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ENTRY = fileURLToPath(new URL('program.ts', import.meta.url));

/**
 * Bundles a program with all that it reaches.
 * @param entry `build/program.ts`, unless a test has one of its own
 * @returns the bundle's source text
 * @throws esbuild's BuildFailure, after esbuild printed what is wrong
 */
export async function bundlePrograms(entry = ENTRY): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node26',
    supported: { 'dynamic-import': false },
    logLevel: 'warning',
    // In a CommonJS bundle `import.meta.url` is undefined: code that uses it would break in the executable only.
    logOverride: { 'empty-import-meta': 'error' },
  });
  return result.outputFiles.map((file) => file.text).join('');
}
