// The environment as bytes: what the container was given, the passphrase taken out of it before anything looks at it,
// and what the command gets. Text is made of our own variables only.

import { closeSync } from 'node:fs';

import { SystemCallError } from '../lib/errors.ts';
import { addressOf, environmentEntries, lastErrno, libc, removeEnvironmentEntry, systemCall } from './native.ts';
import type { Operator } from './operator.ts';

const PASSPHRASE_NAME = 'TAZPOD_PASSPHRASE';
const O_CLOEXEC = 0o2000000;
/** pipe(7): what a pipe takes without anybody reading. */
const PIPE_BYTES = 65_536;

/**
 * Moves the passphrase from libc's environment into a pipe, straight from memory to the kernel, and wipes it where it
 * stood (which is what /proc/1/environ shows). To be called before anything enumerates the environment.
 * @returns the pipe's end to read from, closed at exec; `'too long'` for one that no pipe takes; undefined without one
 */
export function takePassphrase(): number | 'too long' | undefined {
  const prefix = Buffer.from(`${PASSPHRASE_NAME}=`);
  let taken: number | 'too long' | undefined;
  // A list first: taking an entry out moves the others.
  for (const entry of Array.from(environmentEntries())) {
    if (!entry.bytes.subarray(0, prefix.length).equals(prefix)) continue;
    const value = entry.bytes.subarray(prefix.length);
    if (taken === undefined) taken = value.length < PIPE_BYTES ? pipeHolding(value) : 'too long';
    removeEnvironmentEntry(entry);
    libc.explicit_bzero(entry.address, BigInt(entry.bytes.length));
  }
  return taken;
}

function pipeHolding(value: Buffer): number {
  const ends = Buffer.alloc(8);
  systemCall('pipe2', ends, O_CLOEXEC);
  const [readEnd, writeEnd] = [ends.readInt32LE(0), ends.readInt32LE(4)];
  // A file's passphrase may end in a newline, which its reader drops: this newline is there to be dropped.
  for (const part of [value, Buffer.from('\n')]) {
    if (part.length === 0) continue;
    const written = Number(libc.write(writeEnd, addressOf(part), BigInt(part.length)));
    if (written !== part.length) throw new SystemCallError('write', lastErrno());
  }
  closeSync(writeEnd);
  return readEnd;
}

/** The environment without one variable. */
export function withoutVariable(entries: readonly Buffer[], name: string): Buffer[] {
  const prefix = Buffer.from(`${name}=`);
  return entries.filter((entry) => !entry.subarray(0, prefix.length).equals(prefix));
}

/** The environment, entry by entry, as copies. */
export function environmentBytes(): Buffer[] {
  return [...environmentEntries()].map((entry) => Buffer.from(entry.bytes));
}

/**
 * The operator's environment: the container's, with the account in the variables that login(1) sets.
 */
export function operatorEnvironment(entries: readonly Buffer[], operator: Operator): Buffer[] {
  const account = new Map([
    ['HOME', operator.home],
    ['USER', operator.name],
    ['LOGNAME', operator.name],
    ['SHELL', operator.shell],
  ]);
  const kept = entries.filter((entry) => {
    const name = entry.toString('latin1', 0, Math.max(entry.indexOf('='), 0));
    return !account.has(name);
  });
  return [...kept, ...[...account].map(([name, value]) => Buffer.from(`${name}=${value}`))];
}
