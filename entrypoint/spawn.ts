// Starting a process the way an init must (posix_spawn(3)): its own process group, made the terminal's foreground group
// before it runs; default dispositions and an empty mask; just the descriptors it is to have; bytes stay bytes.
// Node's own spawn can do none of these. The child has the operator's identity and never CAP_SYS_ADMIN.

import { accessSync, closeSync, constants as fsConstants, statSync } from 'node:fs';
import { constants } from 'node:os';

import { errnoName, reasonOf, SystemCallError } from '../lib/errors.ts';
import { addForegroundAction, addressOf, check, checkErrno, cString, libc, pointerArray, signalSet } from './native.ts';
import { whollyAsOperator, type Operator } from './operator.ts';

const POSIX_SPAWN_SETPGROUP = 0x02;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const F_DUPFD_CLOEXEC = 1030;
/** Larger than both structures on any glibc (336 and 80 bytes on x86-64). */
const STRUCTURE_BYTES = 512;

export interface Process {
  /** Looked up in PATH where it holds no slash. */
  readonly file: Buffer;
  /** With the name it is called by. */
  readonly args: readonly Buffer[];
  /** `NAME=value`, without their NULs. */
  readonly environment: readonly Buffer[];
  /** The child's descriptors and which of ours each is. No other is passed. */
  readonly descriptors: ReadonlyMap<number, number>;
  /** The terminal, as a descriptor of the child, whose foreground process group the child becomes. */
  readonly foreground: number | undefined;
  /**
   * It leads a session of its own, which has no terminal, instead of a process group of ours: what it writes to the
   * terminal all the same cannot stop it (TOSTOP, termios(3)), and no key reaches it.
   */
  readonly session?: boolean;
}

/** A command that could not be started: what a shell's 126 and 127 tell. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun';
  /** 127: not found. 126: found, but it cannot be run. */
  readonly status: 126 | 127;

  constructor(file: Buffer, cause: unknown) {
    super(`cannot run ${file.toString()}: ${reasonOf(cause)}`, { cause });
    this.status = errnoName(cause) === 'ENOENT' ? 127 : 126;
  }
}

/**
 * Starts a process as the operator.
 * @returns its pid; whoever wants its end must ask the reaper in this same turn of the event loop
 * @throws CannotRun
 */
export function spawnAsOperator(operator: Operator, process: Process): number {
  try {
    return whollyAsOperator(operator, () => spawn(process));
  } catch (error) {
    if (errnoName(error) !== 'ENOEXEC') throw new CannotRun(process.file, error);
  }
  // A script without "#!" (execvp(3), and so tini, gives it to the shell; posix_spawn does not).
  const [, ...rest] = process.args;
  const shell = Buffer.from('/bin/sh');
  try {
    return whollyAsOperator(operator, () =>
      spawn({ ...process, file: shell, args: [shell, findInPath(process.file, process.environment), ...rest] }),
    );
  } catch (error) {
    throw new CannotRun(process.file, error);
  }
}

function spawn({ file, args, environment, descriptors, foreground, session = false }: Process): number {
  const attributes = Buffer.alloc(STRUCTURE_BYTES);
  checkErrno('posix_spawnattr_init', libc.posix_spawnattr_init(attributes));
  const group = session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
  libc.posix_spawnattr_setflags(attributes, group | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  libc.posix_spawnattr_setpgroup(attributes, 0);
  libc.posix_spawnattr_setsigdefault(attributes, signalSet('all'));
  libc.posix_spawnattr_setsigmask(attributes, signalSet('none'));

  const actions = Buffer.alloc(STRUCTURE_BYTES);
  checkErrno('posix_spawn_file_actions_init', libc.posix_spawn_file_actions_init(actions));
  // Descriptors are parked above what the child is given, so that none is overwritten before it was copied. Not far above: beyond 64
  // the kernel makes its table larger, and where we have threads it waits some ten milliseconds for that (synchronize_rcu).
  const parking = Math.max(...descriptors.keys()) + 1;
  const parked: number[] = [];
  try {
    for (const [target, own] of descriptors) {
      let source = own;
      if (source !== target) {
        source = check('fcntl', libc.fcntl(own, F_DUPFD_CLOEXEC, parking));
        parked.push(source);
      }
      // The same number twice takes close-on-exec off, which Node has put on every descriptor that it inherited.
      checkErrno('adddup2', libc.posix_spawn_file_actions_adddup2(actions, source, target));
    }
    // Children are started with every signal blocked, so that this raises no SIGTTOU although we are in the background.
    if (foreground !== undefined) addForegroundAction(actions, foreground);

    const argv = args.map((arg) => cString(arg));
    const envp = environment.map((entry) => cString(entry));
    const pid = Buffer.alloc(4);
    // posix_spawnp looks in *our* PATH, which is the child's too: the environment passes through unchanged.
    const errno = libc.posix_spawnp(
      pid,
      cString(file),
      actions,
      attributes,
      pointerArray(argv.map(addressOf)),
      pointerArray(envp.map(addressOf)),
    );
    if (errno !== 0) throw new SystemCallError('posix_spawn', errno);
    return pid.readInt32LE();
  } finally {
    libc.posix_spawn_file_actions_destroy(actions);
    for (const descriptor of parked) closeSync(descriptor);
  }
}

/** Where execvp(3) would find the file. To be called as the operator. */
function findInPath(file: Buffer, environment: readonly Buffer[]): Buffer {
  if (file.includes('/')) return file;
  const path = environment.find((entry) => entry.subarray(0, 5).equals(Buffer.from('PATH=')));
  for (const directory of (path?.subarray(5).toString('latin1') ?? '/bin:/usr/bin').split(':')) {
    const candidate = Buffer.concat([Buffer.from(`${directory || '.'}/`, 'latin1'), file]);
    try {
      accessSync(candidate, fsConstants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // Not there, or not ours to run: the next directory of PATH may have it.
    }
  }
  throw new SystemCallError('execve', constants.errno.ENOENT);
}
