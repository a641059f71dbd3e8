// A program's text compiled ahead of time, all of its functions. V8's own code cache, which a single
// executable can carry too, holds only what runs when the file is loaded, and each other function would be parsed when it is
// first called.

import { execFileSync } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

/**
 * Compiles a text.
 * @param name what stack traces call it
 * @returns the code for the `cachedData` of a Script with the same text, in a Node of this version with these flags
 * @throws Error if V8 would not take it
 */
export function compileWhole(text: string, name: string): Buffer {
  // It is not part of what the code is bound to: it is set back before that is noted.
  setFlagsFromString('--no-lazy');
  let script: Script;
  try {
    script = new Script(text, { filename: name });
  } finally {
    setFlagsFromString('--lazy');
  }
  const code = script.createCachedData();
  if (new Script(text, { filename: name, cachedData: code }).cachedDataRejected !== false)
    throw new Error(`cannot use the compiled code of ${name}: V8 rejects it`);
  return code;
}

/** V8's header of compiled code: magic number, V8's version, the source, flags; 32 bits each (SerializedCodeData of V8). */
const [BUILD_BYTES, FLAGS_AT] = [8, 12];

/**
 * Binds the compiled code that a Node carries to flags. V8 takes none that was made without them, also where they make no difference
 * to code, as the caller knows.
 * @param bytes the Node's; they are changed
 * @returns how many pieces there were
 */
export function bindToFlags(bytes: Buffer, flags: readonly string[]): number {
  const script = "process.stdout.write(new vm.Script('').createCachedData())";
  const theirs = execFileSync(process.execPath, [...flags, '-e', script], { env: {} });
  const ours = new Script('').createCachedData();
  const build = ours.subarray(0, BUILD_BYTES);
  let pieces = 0;
  for (let at = bytes.indexOf(build); at !== -1; at = bytes.indexOf(build, at + BUILD_BYTES)) {
    if (bytes.readUInt32LE(at + FLAGS_AT) !== ours.readUInt32LE(FLAGS_AT)) continue;
    bytes.writeUInt32LE(theirs.readUInt32LE(FLAGS_AT), at + FLAGS_AT);
    pieces++;
  }
  return pieces;
}
