// The programs as CommonJS texts: what the single executable carries.
// CommonJS, because a one-file ESM bundle hoists the imports that are meant to be lazy; `import()` becomes a lazy
// `require` for the same reason, and because a single executable has no ESM loader.

import { fileURLToPath } from 'node:url';
import { build, type BuildOptions } from 'esbuild';

/** What is loaded on its own, by program.ts, and the file that it begins with. PID 1 needs pino when the command runs, not before. */
const PARTS = {
  'tazpod-entrypoint': '../entrypoint/main.ts',
  tazpod: '../cli/main.ts',
  pino: '../node_modules/pino/pino.js',
} as const;

export type Part = keyof typeof PARTS;

/**
 * Bundles a program with all that it reaches.
 * @param entry its first file
 * @returns the bundle's source text
 * @throws esbuild's BuildFailure, after esbuild printed what is wrong
 */
export async function bundleProgram(entry: string, options: BuildOptions = {}): Promise<string> {
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
    ...options,
  });
  return result.outputFiles?.map((file) => file.text).join('') ?? '';
}

/** Bundles the executable's main script. */
export function bundleMain(): Promise<string> {
  return bundleProgram(fileURLToPath(new URL('program.ts', import.meta.url)));
}

/**
 * Bundles what the main script loads.
 * @returns for each part an expression whose value is a function of `exports`, `require`, `module`, file and directory
 */
export function bundleParts(): Promise<{ readonly name: string; readonly text: string }[]> {
  return Promise.all(
    Object.entries(PARTS).map(async ([name, entry]) => {
      const isOurs = name !== 'pino';
      const program = await bundleProgram(fileURLToPath(new URL(entry, import.meta.url)), {
        // The text stays in memory: without its comments and indentation it is half as long.
        minifyWhitespace: true,
        // In one line no place could be told from another, and Node prints the line where a program cannot even be loaded.
        lineLimit: 120,
        legalComments: 'none',
        external: isOurs ? ['pino'] : [],
      });
      const text = `(function (exports, require, module, __filename, __dirname) {${isOurs ? withLateBuiltIns(program) : program}\n})`;
      // V8 keeps any other at two bytes a character.
      if (Buffer.byteLength(text) !== text.length) throw new Error(`cannot use the bundle of ${name}: it is not ASCII`);
      return { name, text };
    }),
  );
}

/**
 * Has each of Node's modules loaded when something of it is first used. Its import would load it before the program's first
 * line, and node:net, node:crypto and node:zlib take longer than all that comes before the command.
 * @throws Error if esbuild loads one in a way that is not known here
 */
function withLateBuiltIns(program: string): string {
  const names = new Set<string>();
  const text = program
    .replaceAll(/\b(import_\w+)\s*=\s*require\(("node:[^"]+")\)/g, (_, name: string, module: string) => {
      names.add(name);
      return `${name}=late(${module})`;
    })
    .replaceAll(/\b(import_\w+)\s*\./g, (use, name: string) => (names.has(name) ? `(${name}()).` : use));
  if (text.includes('require("node:')) throw new Error('cannot tell where a bundle loads a module of Node');
  return `const late=(name)=>{let loaded;return()=>loaded??=require(name)};${text}`;
}
