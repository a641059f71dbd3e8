// `tazpod save --rescue DIR`: an encrypted copy of the enclave into the first directory that takes it, where the vault
// itself cannot be written. PID 1 does it when the last save fails: there may be a second left, and a disk that does not
// answer must not keep the next directory from its turn.

import { stat } from 'node:fs';
import { promisify } from 'node:util';

import { reasonOf, TazpodError } from '../lib/errors.ts';
import type { LeftOut } from '../lib/pack.ts';
import { lengthOf } from '../lib/pieces.ts';
import type { Replies } from '../lib/protocol.ts';
import { writeRescueCopy } from '../lib/rescue-copy.ts';
import type { ControlClient } from './control-client.ts';
import type { KeyAhead } from './key-ahead.ts';
import type { Output } from './output.ts';
import { PackedEnclave } from './packed-enclave.ts';
import { formatSize } from './size.ts';

/** When the next directory gets its turn although the one before has neither succeeded nor failed: ms, and ms per MiB. */
const PATIENCE = 400;
const PATIENCE_PER_MIB = 20;

export interface Rescued {
  readonly written: true;
  /** Path of the copy. */
  readonly rescued: string;
  readonly leftOut: readonly LeftOut[];
}

/**
 * Writes a copy, under the saver's lock that `lock` tells of.
 * @param directories absolute, in the order of preference
 * @param ahead the key of the copy, if that was begun before
 * @throws TazpodError `usage` for a directory in the enclave itself; `save-failed` when none takes it
 */
export async function rescueEnclave(
  client: ControlClient,
  lock: Replies['save'],
  directories: readonly string[],
  output: Output,
  ahead?: KeyAhead,
): Promise<Rescued> {
  using line = output.progress();
  using packed = await PackedEnclave.of(lock.device, output, line, { ahead });
  const sealed = packed.seal();
  const bytes = lengthOf(sealed);
  const write = async (directory: string): Promise<string> => {
    if ((await promisify(stat)(directory)).dev === lock.device) {
      throw new TazpodError(
        'usage',
        `cannot write a copy into ${directory}: it is in the enclave, and would go with it`,
        { hint: 'name a directory on a disk, best on a volume that outlives the container' },
      );
    }
    return await writeRescueCopy(directory, sealed, async () => {
      if (!lock.final) await client.request({ op: 'replace' });
    });
  };
  const patience = PATIENCE + (bytes / 2 ** 20) * PATIENCE_PER_MIB;
  const rescued = await firstOf(directories, write, patience);
  if (lock.final) client.tell({ op: 'rescued', path: rescued });
  else await client.request({ op: 'rescued', path: rescued });
  output.note(`rescued: ${formatSize(bytes)} in ${rescued}`);
  return { written: true, rescued, leftOut: packed.leftOut };
}

/** The first success. A directory is begun with when the one before it has failed, or has not answered for so long. */
async function firstOf(
  directories: readonly string[],
  write: (directory: string) => Promise<string>,
  patience: number,
): Promise<string> {
  const failures = new Map<string, unknown>();
  const attempts: Promise<string | undefined>[] = [];
  for (const directory of directories) {
    attempts.push(
      write(directory).catch((error: unknown) => {
        failures.set(directory, error);
        return undefined;
      }),
    );
    const isLast = attempts.length === directories.length;
    const done = await (isLast ? firstSuccess(attempts) : within(patience, firstSuccess(attempts)));
    if (done !== undefined) return done;
  }
  for (const error of failures.values()) if (error instanceof TazpodError && error.code === 'usage') throw error;
  const reasons = [...failures].map(([directory, error]) => `${directory}: ${reasonOf(error)}`).join('; ');
  throw new TazpodError('save-failed', `cannot write an encrypted copy (${reasons})`, {
    hint: 'name a directory that exists, that you may write to, and that has room for it',
  });
}

/** Undefined when all of them have failed. */
async function firstSuccess(attempts: readonly Promise<string | undefined>[]): Promise<string | undefined> {
  return await Promise.any(
    attempts.map(async (attempt) => (await attempt) ?? Promise.reject(new Error('failed'))),
  ).catch(() => undefined);
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, milliseconds, undefined);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
