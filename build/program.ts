// The executable's main script. It is both programs, by the name it was called by: `tazpod` is the tool, any other name is PID 1.
// Their texts lie in the executable with all of their functions compiled (compile.ts), so that nothing has to be parsed on the
// way to the command, nor when it has ended.

import { basename, dirname } from 'node:path';
import { getRawAsset } from 'node:sea';
import { Script } from 'node:vm';

import { assetName, unpackAsset } from './asset.ts';
import type { Part } from './bundle.ts';

interface Module {
  readonly exports: unknown;
}

type Wrapper = (
  exports: unknown,
  require: (name: string) => unknown,
  module: Module,
  file: string,
  directory: string,
) => void;

/** Node's own, for a single executable: it knows built-in modules only. */
declare const require: (name: string) => unknown;

run(basename(process.argv0) === 'tazpod' ? 'tazpod' : 'tazpod-entrypoint');

function run(part: Part): unknown {
  const { code, text } = unpackAsset(getRawAsset(assetName(part)));
  const script = new Script(text, { filename: part, cachedData: code });
  const module: Module = { exports: {} };
  const requirePart = (name: string): unknown => (name === 'pino' ? run(name) : require(name));
  const wrapper = script.runInThisContext() as Wrapper;
  wrapper(module.exports, requirePart, module, process.execPath, dirname(process.execPath));
  return module.exports;
}
