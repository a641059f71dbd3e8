// Where a passphrase comes from, in this order: --passphrase-file or --passphrase-fd, TAZPOD_PASSPHRASE_FILE or
// TAZPOD_PASSPHRASE, and else the terminal. Two at the same place are an error: which one was meant cannot be known.
// Passphrases are bytes: not decoded, not trimmed; of a file or a descriptor exactly one trailing newline is dropped.

import { close as closeCallback, open as openCallback, read as readCallback } from 'node:fs';
import { promisify } from 'node:util';
import { readingAdvice } from '../lib/advice.ts';
import { reasonOf, TazpodError } from '../lib/errors.ts';
import { passphraseFromFile, wipe } from '../lib/passphrase.ts';
import type { Arguments } from './arguments.ts';
import type { Call } from './call.ts';

/** What fits into a pipe: PID 1 hands passphrases on through one. */
const LONGEST = 65_536;

/** A passphrase and where it came from; wiped when disposed. */
export class Passphrase implements Disposable {
  readonly bytes: Buffer;
  /** For messages: `the file /run/secrets/passphrase`. */
  readonly origin: string;

  /** @throws TazpodError `no-passphrase` for an empty one */
  constructor(bytes: Buffer, origin: string) {
    if (bytes.length === 0)
      throw new TazpodError('no-passphrase', `cannot use an empty passphrase: ${origin} holds none`);
    this.bytes = bytes;
    this.origin = origin;
  }

  [Symbol.dispose](): void {
    wipe(this.bytes);
  }
}

/** What went wrong with a passphrase that nobody typed, and where that came from. */
export function withOrigin(error: unknown, { origin }: Passphrase): unknown {
  if (!(error instanceof TazpodError)) return error;
  const hint = `the passphrase came from ${origin}${error.hint ? `; ${error.hint}` : ''}`;
  return new TazpodError(error.code, error.message, { hint, cause: error });
}

/**
 * The passphrase that was given otherwise than by typing; nothing where it has to be typed.
 * @throws TazpodError `usage` or `configuration` when two were given, `no-passphrase` when it cannot be read or is empty
 */
export async function givenPassphrase({ given, passphraseVariable }: Call): Promise<Passphrase | undefined> {
  const optional = await passphraseFromOptions(given);
  // A worker of PID 1 has its options' passphrase or is to ask: which of the two, PID 1 has decided.
  if (optional || given.value('control-fd') !== undefined) return optional;
  return await fromEnvironment(passphraseVariable);
}

/**
 * The passphrase that the options name.
 * @param kind what stands before `passphrase-file` and `passphrase-fd` in their names
 * @throws TazpodError `usage` when two were given, `no-passphrase` when it cannot be read or is empty
 */
export async function passphraseFromOptions(given: Arguments, kind: '' | 'new-' = ''): Promise<Passphrase | undefined> {
  const file = given.value(`${kind}passphrase-file`);
  const descriptor = given.descriptor(`${kind}passphrase-fd`);
  if (file !== undefined && descriptor !== undefined) {
    throw given.usage(`cannot take both --${kind}passphrase-file and --${kind}passphrase-fd: give one`);
  }
  if (descriptor !== undefined) {
    const isWorker = given.value('control-fd') !== undefined;
    return await readFrom(
      descriptor,
      isWorker ? 'TAZPOD_PASSPHRASE or TAZPOD_PASSPHRASE_FILE' : `descriptor ${descriptor}`,
    );
  }
  if (file === '-') return await readFrom(0, 'standard input');
  return file === undefined ? undefined : await readFile(file);
}

async function fromEnvironment(variable: Buffer | undefined): Promise<Passphrase | undefined> {
  // An empty variable counts as not set, as for PID 1.
  const file = process.env['TAZPOD_PASSPHRASE_FILE'] || undefined;
  if (file !== undefined && variable !== undefined) {
    throw new TazpodError('configuration', 'cannot take both TAZPOD_PASSPHRASE and TAZPOD_PASSPHRASE_FILE', {
      hint: 'unset one of them; the file is the better way',
    });
  }
  if (variable !== undefined) return new Passphrase(variable, 'the variable TAZPOD_PASSPHRASE');
  return file === undefined ? undefined : await readFile(file);
}

// Reads run on the thread pool: a FIFO may keep us waiting, and signals must get through meanwhile.
const open = promisify(openCallback);
const close = promisify(closeCallback);
const read = promisify(readCallback);

async function readFile(path: string): Promise<Passphrase> {
  let descriptor: number;
  try {
    descriptor = await open(path, 'r');
  } catch (error) {
    throw unreadable(`the passphrase file ${path}`, error, readingAdvice(error, path));
  }
  try {
    return await readFrom(descriptor, `the passphrase file ${path}`);
  } finally {
    await close(descriptor);
  }
}

async function readFrom(descriptor: number, origin: string): Promise<Passphrase> {
  // Memory of its own, outside of the pool that small Buffers share, so that all of it can be wiped.
  const bytes = Buffer.alloc(LONGEST + 1);
  let length = 0;
  try {
    for (let got = -1; got !== 0 && length < bytes.length; length += got) {
      ({ bytesRead: got } = await read(descriptor, bytes, length, bytes.length - length, null));
    }
    if (length > LONGEST) {
      throw new TazpodError(
        'no-passphrase',
        `cannot use ${origin} as a passphrase: it holds more than ${LONGEST} bytes`,
      );
    }
    return new Passphrase(passphraseFromFile(bytes.subarray(0, length)), origin);
  } catch (error) {
    wipe(bytes);
    throw error instanceof TazpodError ? error : unreadable(origin, error);
  }
}

function unreadable(origin: string, error: unknown, hint?: string): TazpodError {
  return new TazpodError('no-passphrase', `cannot read ${origin}: ${reasonOf(error)}`, { hint, cause: error });
}
