// An operator's own file or directory may forbid its owner to read it (mode 0000, 0300): it belongs into the vault all the
// same. Permission is lent for as long as it is read and taken back after. The file is held by a descriptor in between
// (O_PATH needs no permission on it), so that nothing else can be put in its place.

import { chmodSync, closeSync, constants, fstatSync, openSync } from 'node:fs';

import { errnoName } from './errors.ts';

/** Linux's value on all of its architectures that Node runs on; Node does not name it. open(2). */
const O_PATH = 0o10000000;

export interface LentPermission extends Disposable {
  /** A path to exactly this file, whatever happens to its name. */
  readonly path: string;
  /** Its mode before and after. */
  readonly mode: number;
}

/**
 * Adds `bits` to a file's mode until disposed of.
 * @returns undefined where the caller may not: the file is somebody else's, or gone
 */
export function lendIfOurs(path: Buffer, bits: number): LentPermission | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW);
    return lend(descriptor, bits);
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}

function lend(descriptor: number, bits: number): LentPermission {
  // proc(5): the link of an O_PATH descriptor leads to the file itself.
  const path = `/proc/self/fd/${descriptor}`;
  const mode = fstatSync(descriptor).mode & 0o7777;
  chmodSync(path, mode | bits);
  return {
    path,
    mode,
    [Symbol.dispose]() {
      chmodSync(path, mode);
      closeSync(descriptor);
    },
  };
}
