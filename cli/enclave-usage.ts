// What the enclave holds, by the sizes and times of its files: nothing is opened, no content is read.
// What has changed is told by the time that the kernel gives every change of contents, name, mode or owner (ctime), which no
// program can set. It does not see what is written through a mapping of a file, nor changes while the clock is set back.

import { lstatSync, readdirSync, type Stats, statfsSync } from 'node:fs';

import { PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import { enterEnclave } from './enclave-directory.ts';
import { unlessRefused } from './unless-refused.ts';

export interface Usage {
  /** Files and links. */
  readonly files: number;
  readonly directories: number;
  /** Of the contents of all files; of one with several names once. */
  readonly bytes: number;
  /** What the enclave can hold, and what of it is free, in bytes. */
  readonly size: number;
  readonly free: number;
  /** Directories that may not be looked into: what is in them is counted nowhere. */
  readonly unread: number;
  /** When the last change was made that may not be in the vault, in milliseconds since the epoch. */
  readonly changed: number | undefined;
}

const SLASH = Buffer.from('/');
const CACHE = Buffer.from(PASSPHRASE_CACHE_NAME);

/**
 * Looks at every file of the enclave of `device`, and leaves it again.
 * @param safe what has not changed since then is in the vault, in milliseconds since the epoch; undefined: what has not
 *   changed since the unlock
 * @throws TazpodError `cannot-mount`
 */
export function enclaveUsage(device: number, safe: number | undefined): Usage {
  using enclave = enterEnclave(device);
  // Written last by the unlock: what is younger came after it.
  const unlocked = statsOf(CACHE)?.ctimeMs;
  const isYounger = (time: number): boolean =>
    safe === undefined ? unlocked === undefined || time > unlocked : time >= safe;
  const count = { files: 0, directories: 0, bytes: 0, unread: 0 };
  const seen = new Set<number>();
  let changed: number | undefined;
  const note = ({ ctimeMs }: Stats): void => {
    if (isYounger(ctimeMs) && ctimeMs > (changed ?? 0)) changed = ctimeMs;
  };

  const root = Buffer.from('.');
  const waiting = [root];
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const names = namesIn(directory);
    if (names === undefined) count.unread++;
    for (const name of names ?? []) {
      if (directory === root && name.equals(CACHE)) continue;
      const path = Buffer.concat([directory, SLASH, name]);
      const stats = statsOf(path);
      // It has gone meanwhile, or something is mounted there that is none of the enclave.
      if (stats === undefined || stats.dev !== device) continue;
      note(stats);
      if (stats.isDirectory()) {
        count.directories++;
        waiting.push(path);
        continue;
      }
      count.files++;
      if (!stats.isFile() || seen.has(stats.ino)) continue;
      if (stats.nlink > 1) seen.add(stats.ino);
      count.bytes += stats.size;
    }
  }
  const stats = statsOf(root);
  if (stats !== undefined) note(stats);
  const { bavail, bsize } = statfsSync('.');
  return { ...count, size: enclave.size, free: bavail * bsize, changed };
}

/** Undefined where there is none any more, or it may not be seen. */
function statsOf(path: Buffer): Stats | undefined {
  return unlessRefused(() => lstatSync(path));
}

function namesIn(path: Buffer): Buffer[] | undefined {
  return unlessRefused(() => readdirSync(path, { encoding: 'buffer' }));
}
