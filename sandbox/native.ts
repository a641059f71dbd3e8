// The few calls of the C library that Node lacks: pseudo-terminals, and pipes that are pipes.
// (What Node calls a pipe to a child is a pair of sockets: `/dev/stdout` cannot be opened on it, and writes to it behave otherwise.)
// Every descriptor from here is close-on-exec: a child gets what it is given, and no more.

import { dlopen } from 'node:ffi';
import { constants } from 'node:fs';

import { TazpodError } from '../lib/errors.ts';

const { functions: c } = dlopen(null, {
  posix_openpt: { arguments: ['int32'], return: 'int32' },
  unlockpt: { arguments: ['int32'], return: 'int32' },
  ptsname_r: { arguments: ['int32', 'pointer', 'uint64'], return: 'int32' },
  ioctl: { arguments: ['int32', 'uint64', 'pointer'], return: 'int32' },
  pipe2: { arguments: ['pointer', 'int32'], return: 'int32' },
  close_range: { arguments: ['uint32', 'uint32', 'int32'], return: 'int32' },
});

/** Values of Linux on every architecture that Node runs on (`fcntl.h`, `asm-generic/ioctls.h`, `linux/close_range.h`). */
const O_CLOEXEC = 0o2000000;
const TIOCSWINSZ = 0x5414n;
const CLOSE_RANGE_CLOEXEC = 4;

/**
 * A pseudo-terminal's master, and the path of its slave (pty(7)).
 * @throws TazpodError `unexpected` where the machine has none left
 */
export function openMaster(): { readonly master: number; readonly path: string } {
  // O_NOCTTY: without it, the first terminal that a session leader opens becomes its controlling one.
  const master = c.posix_openpt(constants.O_RDWR | constants.O_NOCTTY | O_CLOEXEC);
  const name = Buffer.alloc(64);
  if (master < 0 || c.unlockpt(master) !== 0 || c.ptsname_r(master, name, BigInt(name.length)) !== 0) {
    throw new TazpodError('unexpected', 'cannot open a terminal: /dev/ptmx gives none');
  }
  return { master, path: name.toString('latin1', 0, name.indexOf(0)) };
}

/** Sets a terminal's window size, at once: with stty(1) there would be two changes, and two signals. */
export function setWindowSize(terminal: number, columns: number, rows: number): void {
  if (c.ioctl(terminal, TIOCSWINSZ, new Uint16Array([rows, columns, 0, 0])) !== 0) {
    throw new TazpodError('unexpected', 'cannot set the size of a terminal: it is closed');
  }
}

/**
 * A pipe(7), both ends blocking.
 * @throws TazpodError `unexpected` where descriptors have run out
 */
export function openPipe(): { readonly read: number; readonly write: number } {
  const pair = new Int32Array(2);
  const [read, write] = c.pipe2(pair, O_CLOEXEC) === 0 ? pair : [];
  if (read === undefined || write === undefined) throw new TazpodError('unexpected', 'cannot open a pipe');
  return { read, write };
}

/** Keeps what this process itself has inherited beyond 0, 1, 2 from its children. */
export function keepDescriptors(): void {
  c.close_range(3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC);
}
