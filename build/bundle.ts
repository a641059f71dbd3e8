// The programs as CommonJS texts: what the single executable carries.
// CommonJS, because a one-file ESM bundle hoists the imports that are meant to be lazy; `import()` becomes a lazy
// `require` for the same reason, and because a single executable has no ESM loader.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';

import { divide, dividing, ROOT, textOf, type Asked, type Part } from './parts.ts';
import { SYSTEM_CONSTANTS } from './requests.ts';

/**
 * Bundles a program with all that it reaches.
 * @param options its first file or text, and what else is wanted
 * @returns the bundle's source text
 * @throws esbuild's BuildFailure, after esbuild printed what is wrong
 */
export async function bundleProgram(options: BuildOptions): Promise<string> {
  const result = await build({
    absWorkingDir: ROOT,
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
    plugins: [versionOnly, ...(options.plugins ?? [])],
  });
  return result.outputFiles?.map((file) => file.text).join('') ?? '';
}

/** Of package.json the programs ask for their version. */
const versionOnly: Plugin = {
  name: 'version-only',
  setup(bundle) {
    bundle.onLoad({ filter: /\/package\.json$/ }, async ({ path }) => {
      if (path !== join(ROOT, 'package.json')) return undefined;
      const { version } = JSON.parse(await readFile(path, 'utf8')) as { readonly version: string };
      return { contents: JSON.stringify({ version }), loader: 'json' };
    });
  },
};

/** Bundles the executable's main script: no code of it is compiled ahead of time, so that each start has to read it. */
export function bundleMain(): Promise<string> {
  return bundleProgram({ entryPoints: ['build/program.ts'], minify: true });
}

export interface BundledPart {
  readonly name: string;
  /** An expression whose value is a function of `require`, `provide`, file and directory. */
  readonly text: string;
  readonly uses: Asked;
}

/** Bundles what the main script loads. A program's first part comes last: it provides no more than the others ask for. */
export async function bundleParts(): Promise<BundledPart[]> {
  const parts = await divide();
  const isFirst = ({ begins }: Part): boolean => begins.length > 0;
  const asked = new Map<string, Set<string>>();
  const later = await Promise.all(parts.filter((part) => !isFirst(part)).map((part) => bundlePart(part)));
  for (const { uses } of later) {
    for (const [request, names] of uses) asked.set(request, (asked.get(request) ?? new Set()).union(names));
  }
  const first = await Promise.all(parts.filter(isFirst).map((part) => bundlePart(part, asked)));
  return [...first, ...later];
}

async function bundlePart(part: Part, asked?: Asked): Promise<BundledPart> {
  const program = await bundleProgram({
    stdin: { contents: textOf(part), resolveDir: ROOT },
    plugins: [dividing(part, asked)],
    // The text stays in memory: without its comments and indentation it is half as long.
    minifyWhitespace: true,
    // In one line no place could be told from another, and Node prints the line where a program cannot even be loaded.
    lineLimit: 120,
    legalComments: 'none',
  });
  const { text: body, uses } = withLateModules(program);
  const text = `(function (require, provide, __filename, __dirname) {${body}\n})`;
  // V8 keeps any other at two bytes a character.
  if (Buffer.byteLength(text) !== text.length)
    throw new Error(`cannot use the bundle of ${part.name}: it is not ASCII`);
  return { name: part.name, text, uses };
}

/** What esbuild puts into a text that would make its line too long. */
const LINE_BREAK = '\\\n';

/**
 * Has each of Node's modules, and each part, loaded when something of it is first used. Its import would load it before the program's
 * first line, and node:crypto and node:zlib take longer than all that comes before the command.
 * node:os is not even then, where only its constants are asked for: program.ts has them without it.
 * @returns the text, and what it uses of which module
 * @throws Error if esbuild loads or uses one in a way that is not known here
 */
function withLateModules(program: string): Pick<BundledPart, 'text' | 'uses'> {
  const modules = new Map<string, string>();
  const uses = new Map<string, Set<string>>();
  const text = program
    .replaceAll(/\b(import_\w+)\s*=\s*require\("((?:node:|#)[^"]+)"\)/g, (_, name: string, broken: string) => {
      const module = broken.replace(LINE_BREAK, '');
      modules.set(name, module);
      uses.set(module, uses.get(module) ?? new Set());
      return `${name}=late("${module}")`;
    })
    .replaceAll(/\b(import_\w+)\s*\.\s*(\w+)/g, (use, name: string, member: string) => {
      const module = modules.get(name);
      if (module === undefined) return use;
      uses.get(module)?.add(member);
      return module === 'node:os' && member === 'constants' ? 'systemConstants()' : `(${name}()).${member}`;
    });
  if (/\bimport_\w+\s*=\s*(?:__toESM\()?require\("(?:node:|#)/.test(text))
    throw new Error('cannot tell where a bundle loads a module');
  const withoutDeclarations = text.replaceAll(/\bvar [\w$,\s]+;/g, '');
  for (const [name] of withoutDeclarations.matchAll(/\bimport_\w+\b(?!\(\)|=late\()/g)) {
    if (modules.has(name)) throw new Error(`cannot tell what a bundle uses of ${modules.get(name)}`);
  }
  // By `import()`, which gives a whole module.
  for (const [, module = ''] of text.matchAll(/\brequire\("(#[^"]+)"\)/g))
    uses.set(module.replace(LINE_BREAK, ''), new Set(['*']));
  return {
    text:
      'const late=(name)=>{let loaded;return()=>loaded??=require(name)};' +
      `const systemConstants=late(${JSON.stringify(SYSTEM_CONSTANTS)});${text}`,
    uses,
  };
}
