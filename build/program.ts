// The executable's main script. It is both programs, by the name it was called by: `tazpod` is the tool, any other name is PID 1.
// Their texts lie in the executable with all of their functions compiled (compile.ts), so that nothing has to be parsed on the
// way to the command, nor when it has ended.

import { basename, dirname } from 'node:path';
import { getRawAsset } from 'node:sea';
import { Script } from 'node:vm';

import { assetName, unpackAsset } from './asset.ts';
import type { Program } from './parts.ts';

type Provided = Readonly<Record<string, () => unknown>>;

type Part = (
  require: (name: string) => unknown,
  provide: (modules: Provided) => void,
  file: string,
  directory: string,
) => void;

/** Node's own, for a single executable: it knows built-in modules only. */
declare const require: (name: string) => unknown;

const provided = new Map<string, Provided>();

load((basename(process.argv0) === 'tazpod' ? 'tazpod' : 'tazpod-entrypoint') satisfies Program);

function load(part: string): void {
  const { code, text } = unpackAsset(getRawAsset(assetName(part)));
  const script = new Script(text, { filename: part, cachedData: code });
  const provide = (modules: Provided): void => void provided.set(part, modules);
  (script.runInThisContext() as Part)(requireModule, provide, process.execPath, dirname(process.execPath));
}

/** A module of Node's, or of a part, which is loaded first if it is not yet (`#PART/PATH`: parts.ts). */
function requireModule(name: string): unknown {
  if (!name.startsWith('#')) return require(name);
  const slash = name.indexOf('/');
  const part = name.slice(1, slash);
  if (!provided.has(part)) load(part);
  return provided.get(part)?.[name.slice(slash + 1)]?.();
}
