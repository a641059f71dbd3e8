// The executable's main script. It is both programs, by the name it was called by: `tazpod` is the tool, any other name is PID 1.
// Their texts lie in the executable with all of their functions compiled (compile.ts), so that nothing has to be parsed on the
// way to the command, nor when it has ended.

import type { constants } from 'node:os';
import { basename, dirname } from 'node:path';
import { getRawAsset } from 'node:sea';

import { assetName, unpackAsset } from './asset.ts';
import type { Program } from './parts.ts';
import { moduleAskedFor, SYSTEM_CONSTANTS } from './requests.ts';

type Provided = Readonly<Record<string, () => unknown>>;

type Part = (
  require: (name: string) => unknown,
  provide: (modules: Provided) => void,
  file: string,
  directory: string,
) => void;

/** Node's own, for a single executable: it knows built-in modules only. */
declare const require: (name: string) => unknown;

/**
 * What is beneath node:vm and node:os. To load these for a script and a table of numbers takes half a millisecond. Other programs had
 * better not reach beneath (DEP0111, of which runtime.ts lets nobody be warned), since the next Node may be another there: this one has its
 * Node with it.
 */
const { binding } = process as unknown as {
  binding(this: void, name: 'contextify'): { readonly ContextifyScript: Script };
  binding(this: void, name: 'constants'): { readonly os: typeof constants };
};

/** What node:vm makes its Script of: it is given all that Script would add, and takes nothing for granted. */
type Script = new (
  text: string,
  file: string,
  line: number,
  column: number,
  code: Buffer,
  producesCode: boolean,
  context: undefined,
  importer: symbol,
) => {
  runInContext(context: null, timeout: number, displaysErrors: boolean, breaksOnSigint: boolean, breaks: boolean): Part;
};

const NO_TIMEOUT = -1;

const { ContextifyScript } = binding('contextify');
const provided = new Map<string, Provided>();

load((basename(process.argv0) === 'tazpod' ? 'tazpod' : 'tazpod-entrypoint') satisfies Program);

function load(part: string): void {
  const { code, text } = unpackAsset(getRawAsset(assetName(part)));
  const script = new ContextifyScript(text, part, 0, 0, code, false, undefined, Symbol(part));
  const provide = (modules: Provided): void => void provided.set(part, modules);
  const begin = script.runInContext(null, NO_TIMEOUT, true, false, false);
  begin(requireModule, provide, process.execPath, dirname(process.execPath));
}

/** A module of Node's, or of a part, which is loaded first if it is not yet (requests.ts). */
function requireModule(name: string): unknown {
  if (name === SYSTEM_CONSTANTS) return binding('constants').os;
  const wanted = moduleAskedFor(name);
  if (wanted === undefined) return require(name);
  const { part, module } = wanted;
  if (!provided.has(part)) load(part);
  return provided.get(part)?.[module]?.();
}
