// Keeping what is in our memory there: no core dump, and nobody but root may look into it, not even the operator's other
// processes (prctl(2), PR_SET_DUMPABLE). Node has no prctl. This is the only file of the tool that calls into C.

import { dlopen, type FunctionDefinitions } from 'node:ffi';

const PR_SET_DUMPABLE = 4;

/** To be called before a secret is read, and after a change of identity. */
export function becomeUndumpable(): void {
  const { functions, lib } = dlopen(null, {
    prctl: { arguments: ['int32', 'uint64', 'uint64', 'uint64', 'uint64'], return: 'int32' },
  } as const satisfies FunctionDefinitions);
  try {
    if (functions.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) !== 0) throw new Error('cannot become undumpable');
  } finally {
    lib.close();
  }
}
