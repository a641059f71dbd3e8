// TAZPOD_PASSPHRASE as the bytes it has: `process.env` would turn what is not UTF-8 into something else, and keep a string.
// They are read from the kernel's copy of the environment, which no user-space code can wipe: a file is the better way.
// To be read before root is given up: afterwards /proc/self belongs to root.

import { closeSync, openSync, readSync } from 'node:fs';
import { wipe } from '../lib/passphrase.ts';

const NAME = 'TAZPOD_PASSPHRASE';

/** The variable's bytes in memory of their own, or nothing where it is not set. */
export function passphraseVariable(): Buffer | undefined {
  if (!(NAME in process.env)) return undefined;
  const environment = readEnvironment();
  try {
    return findVariable(environment);
  } finally {
    wipe(environment);
  }
}

/** The variables stand one after another, each ended by a zero byte (proc(5), /proc/pid/environ). */
function findVariable(environment: Buffer): Buffer | undefined {
  const start = Buffer.from(`${NAME}=`);
  for (let at = 0; at < environment.length;) {
    const end = environment.indexOf(0, at);
    const stop = end === -1 ? environment.length : end;
    const variable = environment.subarray(at, stop);
    if (variable.subarray(0, start.length).equals(start)) {
      return Buffer.from(Uint8Array.from(variable.subarray(start.length)).buffer);
    }
    at = stop + 1;
  }
  return undefined;
}

function readEnvironment(): Buffer {
  const descriptor = openSync('/proc/self/environ', 'r');
  try {
    for (let size = 65_536; ; size *= 4) {
      const bytes = Buffer.alloc(size);
      const length = readWhole(descriptor, bytes);
      if (length < size) return bytes.subarray(0, length);
      wipe(bytes);
    }
  } finally {
    closeSync(descriptor);
  }
}

function readWhole(descriptor: number, bytes: Buffer): number {
  let length = 0;
  for (let got = -1; got !== 0 && length < bytes.length; length += got) {
    got = readSync(descriptor, bytes, length, bytes.length - length, length);
  }
  return length;
}
