// What the tool needs of C and Node has not: prctl(2), V8's flags while it runs, and an end without Node's own. This is its only file that calls into C.

import { dlopen, getRawPointer, type FunctionDefinitions } from 'node:ffi';

const PR_SET_DUMPABLE = 4;

const { lib, functions: libc } = dlopen(null, {
  prctl: { arguments: ['int32', 'uint64', 'uint64', 'uint64', 'uint64'], return: 'int32' },
  _exit: { arguments: ['int32'], return: 'void' },
} as const satisfies FunctionDefinitions);

/**
 * Keeps what is in our memory there: no core dump, and nobody but root may look into it, not even the operator's other
 * processes (PR_SET_DUMPABLE). To be called before a secret is read, and after a change of identity.
 */
export function becomeUndumpable(): void {
  if (libc.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) !== 0) throw new Error('cannot become undumpable');
}

/** Sets flags of V8's, as on Node's command line, from now on: what is loaded afterwards is not taken from Node's compiled code. */
export function setEngineFlags(flags: string): void {
  const set = lib.getFunction('_ZN2v82V818SetFlagsFromStringEPKc', { arguments: ['pointer'], return: 'void' });
  set(getRawPointer(Buffer.from(`${flags}\0`))); // v8::V8::SetFlagsFromString(const char*)
}

/**
 * Ends the process at once. Node's own way takes milliseconds to undo what the kernel undoes anyway, and now and then for
 * ever: it joins V8's worker thread, which may be waiting for the main thread to collect garbage.
 */
export function endAtOnce(status: number): void {
  libc._exit(status);
}
