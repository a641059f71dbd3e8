// Programs in parts. V8 makes objects of all compiled code of a text when it takes it, whether it will run or not: what a program does not
// need at first is a text of its own, loaded when something of it is first used.

import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type ImportKind, type Metafile, type Plugin } from 'esbuild';

import { requestOf } from './requests.ts';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * What each program is divided into. A part is its first modules, and what they reach that is in no part before it; the program begins
 * with those of the first.
 */
const PROGRAMS = {
  'tazpod-entrypoint': {
    'tazpod-entrypoint': ['entrypoint/caught-signals.ts', 'entrypoint/main.ts'],
    // What PID 1 needs when the command runs, or something is to be unlocked before, or is mounted.
    'entrypoint-later': [
      'vault-services',
      'boot-unlock',
      'last-processes',
      'last-save',
      'mount',
      'process-life',
      'trim',
      'usage',
    ].map((name) => `entrypoint/${name}.ts`),
    // What it needs where the operator is to become the workspace's owner, or has no account.
    'entrypoint-owner': ['entrypoint/account-changes.ts', 'entrypoint/owner-change.ts'],
    'entrypoint-log': ['node_modules/pino/pino.js'],
  },
  tazpod: {
    tazpod: ['cli/main.ts'],
    'tazpod-save': ['cli/save.ts', 'cli/lock.ts'],
    'tazpod-more': [
      'completion',
      'doctor',
      'passwd',
      'run',
      'status',
      'vault-create',
      'vault-list',
      'vault-passwd',
      'vault-verify',
    ].map((verb) => `cli/${verb}.ts`),
  },
} as const satisfies Record<string, Record<string, readonly string[]>>;

export type Program = keyof typeof PROGRAMS;

/** A part, and the modules that lie in it. */
export interface Part {
  readonly name: string;
  /** What is loaded with the part, in this order; the program begins with the last of them. Nothing but the first part has any. */
  readonly begins: readonly string[];
  /** Those that other parts use, and whether they are loaded with the part. */
  readonly provides: ReadonlyMap<string, boolean>;
  /** Of every module of the program. */
  readonly partOf: ReadonlyMap<string, string>;
}

/** Divides all programs. */
export async function divide(): Promise<Part[]> {
  return (await Promise.all(Object.values(PROGRAMS).map(divideProgram))).flat();
}

async function divideProgram(roots: Readonly<Record<string, readonly string[]>>): Promise<Part[]> {
  const begins = Object.values(roots)[0] ?? [];
  const modules = await modulesOf(begins);
  const rootOf = new Map(Object.entries(roots).flatMap(([name, paths]) => paths.map((path) => [path, name] as const)));
  const partOf = new Map<string, string>();
  for (const [name, paths] of Object.entries(roots)) {
    const isOthers = (path: string): boolean => partOf.has(path) || (rootOf.get(path) ?? name) !== name;
    for (const path of reach(modules, paths, isOthers)) partOf.set(path, name);
  }
  const used = [...partOf].flatMap(([path, name]) =>
    importsOf(modules, path).filter((next) => partOf.get(next) !== name),
  );
  const isLoaded = reach(modules, begins, (path) => partOf.get(path) !== Object.keys(roots)[0], 'import-statement');
  return Object.keys(roots).map((name, index) => ({
    name,
    begins: index === 0 ? begins : [],
    provides: new Map(used.filter((path) => partOf.get(path) === name).map((path) => [path, isLoaded.has(path)])),
    partOf,
  }));
}

/** What is reached from `roots` by imports, of one kind or of all. */
function reach(
  modules: Modules,
  roots: readonly string[],
  isOthers: (path: string) => boolean,
  kind?: ImportKind,
): Set<string> {
  const reached = new Set<string>();
  const waiting = [...roots];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path) || isOthers(path)) continue;
    reached.add(path);
    waiting.push(...importsOf(modules, path, kind));
  }
  return reached;
}

type Modules = Metafile['inputs'];

async function modulesOf(entryPoints: readonly string[]): Promise<Modules> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [...entryPoints],
    outdir: 'unused',
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  });
  return metafile.inputs;
}

function importsOf(modules: Modules, path: string, kind?: ImportKind): string[] {
  const module = modules[path];
  if (module === undefined) throw new Error(`cannot divide a program: it has no ${path}`);
  return module.imports
    .filter((imported) => imported.external !== true && imported.kind === (kind ?? imported.kind))
    .map((imported) => imported.path);
}

/** What is asked of the modules of other parts: names that they export, by request (requests.ts); `*` for all. */
export type Asked = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Leaves the modules of other parts to them, and has those of a part's that they use provided.
 * @param asked what they use, where that is known already: else they get whole modules
 */
export function dividing({ name, partOf, provides }: Part, asked?: Asked): Plugin {
  const ours = {};
  return {
    name: 'dividing',
    setup(bundle) {
      bundle.onResolve({ filter: /^provides$/ }, ({ path }) => ({ path, namespace: 'part' }));
      bundle.onLoad({ filter: /^/, namespace: 'part' }, () => ({
        contents: textThatProvides(name, provides, asked),
        resolveDir: ROOT,
      }));
      bundle.onResolve({ filter: /^/ }, async ({ path, pluginData, ...options }) => {
        if (pluginData === ours) return undefined;
        const result = await bundle.resolve(path, { ...options, pluginData: ours });
        const module = relative(ROOT, result.path);
        const part = partOf.get(module);
        return part === undefined || part === name ? result : { path: requestOf(part, module), external: true };
      });
    },
  };
}

/**
 * What is not loaded with the part is loaded when another asks for it. A whole module takes a function for each name that it exports,
 * made when the part is loaded: it comes to that only where nobody waits.
 */
function textThatProvides(part: string, provides: ReadonlyMap<string, boolean>, asked?: Asked): string {
  const [imports, modules] = [[] as string[], [] as string[]];
  for (const [path, isLoaded] of provides) {
    const from = JSON.stringify(`./${path}`);
    const module = `module${modules.length}`;
    const names = asked?.get(requestOf(part, path)) ?? new Set(['*']);
    let provided = `require(${from})`;
    if (isLoaded && names.has('*')) {
      imports.push(`import * as ${module} from ${from};`);
      provided = module;
    } else if (isLoaded) {
      const list = (separator: string): string =>
        Array.from(names, (name) => `${name}${separator}${module}_${name}`).join();
      imports.push(`import {${list(' as ')}} from ${from};`);
      provided = `({${list(': ')}})`;
    }
    modules.push(`${JSON.stringify(path)}: () => ${provided},`);
  }
  return `${imports.join('')}provide({${modules.join('')}});`;
}

/** A part's text before it is bundled: the first is loaded before others can have anything of it, and the last begins the program. */
export function textOf({ begins }: Part): string {
  const paths = begins.map((path) => `./${path}`);
  return [...paths.slice(0, -1), 'provides', ...paths.slice(-1)]
    .map((path) => `import ${JSON.stringify(path)};`)
    .join('');
}
