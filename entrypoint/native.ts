// Every call into C: libc by name, the kernel's newer calls and those that glibc would spread over all threads by number.
// The only file that knows `node:ffi`. Nothing here decides anything: arguments in, result out, errno as an error.
// Credentials are a thread's own to the kernel (credentials(7)); the raw calls below change the main thread's alone.

import {
  dlopen,
  getCurrentEventLoop,
  getInt32,
  getRawPointer,
  getUint64,
  toBuffer,
  type CallbackFunctionFromSignature,
  type FunctionDefinitions,
  type FunctionSignature,
  type WrappedFunctionsFromDefinitions,
} from 'node:ffi';

import { SystemCallError } from '../lib/errors.ts';

// A misspelt key of a signature is ignored by node:ffi, and the result then silently undefined: `satisfies` forbids it.
const signatures = {
  __errno_location: { arguments: [], return: 'pointer' },
  _exit: { arguments: ['int32'], return: 'void' },
  explicit_bzero: { arguments: ['pointer', 'uint64'], return: 'void' },
  fchownat: { arguments: ['int32', 'pointer', 'uint32', 'uint32', 'int32'], return: 'int32' },
  fcntl: { arguments: ['int32', 'int32', 'int32'], return: 'int32' },
  getdents64: { arguments: ['int32', 'pointer', 'uint64'], return: 'int64' },
  getpgrp: { arguments: [], return: 'int32' },
  inotify_add_watch: { arguments: ['int32', 'pointer', 'uint32'], return: 'int32' },
  inotify_init1: { arguments: ['int32'], return: 'int32' },
  isatty: { arguments: ['int32'], return: 'int32' },
  kill: { arguments: ['int32', 'int32'], return: 'int32' },
  madvise: { arguments: ['uint64', 'uint64', 'int32'], return: 'int32' },
  malloc_trim: { arguments: ['uint64'], return: 'int32' },
  pthread_sigmask: { arguments: ['int32', 'pointer', 'pointer'], return: 'int32' },
  read: { arguments: ['int32', 'pointer', 'uint64'], return: 'int64' },
  readlink: { arguments: ['pointer', 'pointer', 'uint64'], return: 'int32' },
  renameat: { arguments: ['int32', 'pointer', 'int32', 'pointer'], return: 'int32' },
  sigtimedwait: { arguments: ['pointer', 'pointer', 'pointer'], return: 'int32' },
  signal: { arguments: ['int32', 'pointer'], return: 'pointer' },
  statx: { arguments: ['int32', 'pointer', 'int32', 'uint32', 'pointer'], return: 'int32' },
  strlen: { arguments: ['pointer'], return: 'uint32' },
  syscall: {
    arguments: ['int64', 'int64', 'int64', 'int64', 'int64', 'int64', 'int64'],
    return: 'int64',
  },
  tcgetpgrp: { arguments: ['int32'], return: 'int32' },
  tcsetpgrp: { arguments: ['int32', 'int32'], return: 'int32' },
  umount2: { arguments: ['pointer', 'int32'], return: 'int32' },
  unlinkat: { arguments: ['int32', 'pointer', 'int32'], return: 'int32' },
  waitid: { arguments: ['int32', 'uint32', 'pointer', 'int32'], return: 'int32' },
  waitpid: { arguments: ['int32', 'pointer', 'int32'], return: 'int32' },
  write: { arguments: ['int32', 'pointer', 'uint64'], return: 'int64' },
  posix_spawn: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'],
    return: 'int32',
  },
  posix_spawnp: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'],
    return: 'int32',
  },
  posix_spawnattr_init: { arguments: ['pointer'], return: 'int32' },
  posix_spawnattr_setflags: { arguments: ['pointer', 'int16'], return: 'int32' },
  posix_spawnattr_setpgroup: { arguments: ['pointer', 'int32'], return: 'int32' },
  posix_spawnattr_setsigdefault: { arguments: ['pointer', 'pointer'], return: 'int32' },
  posix_spawnattr_setsigmask: { arguments: ['pointer', 'pointer'], return: 'int32' },
  posix_spawn_file_actions_init: { arguments: ['pointer'], return: 'int32' },
  posix_spawn_file_actions_destroy: { arguments: ['pointer'], return: 'int32' },
  posix_spawn_file_actions_adddup2: { arguments: ['pointer', 'int32', 'int32'], return: 'int32' },
  uv_close: { arguments: ['pointer', 'pointer'], return: 'void' },
  uv_handle_size: { arguments: ['int32'], return: 'uint64' },
  uv_poll_init: { arguments: ['pointer', 'pointer', 'int32'], return: 'int32' },
  uv_poll_start: { arguments: ['pointer', 'int32', 'pointer'], return: 'int32' },
  uv_poll_stop: { arguments: ['pointer'], return: 'int32' },
  uv_signal_init: { arguments: ['pointer', 'pointer'], return: 'int32' },
  uv_signal_start: { arguments: ['pointer', 'pointer', 'int32'], return: 'int32' },
} as const satisfies FunctionDefinitions;

const { lib } = dlopen(null);

/** The C functions, as they are. `errno` of a call that failed: `lastErrno()`, before anything else is called. */
export const libc = lookedUpLate(signatures);

/**
 * Each function is looked up when it is first asked for, and is a property from then on: the boot needs a third of them, and to
 * define a getter for each would take longer than the boot's look-ups.
 */
function lookedUpLate<T extends FunctionDefinitions>(definitions: T): WrappedFunctionsFromDefinitions<T> {
  const missing: ProxyHandler<object> = {
    get(_, name: string, functions) {
      const signature = definitions[name];
      if (signature === undefined) throw new TypeError(`no signature of ${name} is known`);
      const value = lib.getFunction(name, signature);
      Object.defineProperty(functions, name, { value });
      return value;
    },
  };
  return Object.create(new Proxy({}, missing)) as WrappedFunctionsFromDefinitions<T>;
}

/** Looks up what PID 1 calls when signals come and children end, at a moment when nobody waits for it. */
export function lookUpForLater(): void {
  for (const name of ['kill', 'waitid', 'waitpid', '_exit'] as const) void libc[name];
}

const errnoLocation = libc.__errno_location();

/** The calling thread's `errno`. */
export function lastErrno(): number {
  return getInt32(errnoLocation);
}

/**
 * The result of a call that answers -1 on failure.
 * @throws SystemCallError
 */
export function check(syscall: string, result: number): number {
  if (result === -1) throw new SystemCallError(syscall, lastErrno());
  return result;
}

/** For the calls that answer the errno itself (posix_spawn(3), pthread_sigmask(3)). */
export function checkErrno(name: string, errno: number): void {
  if (errno !== 0) throw new SystemCallError(name, errno);
}

/** Text or bytes as a C string. Bytes must not hold a NUL. */
export function cString(value: string | Buffer): Buffer {
  return Buffer.concat([typeof value === 'string' ? Buffer.from(value) : value, Buffer.of(0)]);
}

/** The address of a buffer's bytes. The caller keeps the buffer alive as long as C may look at it. */
export function addressOf(buffer: Buffer): bigint {
  return getRawPointer(buffer);
}

// Calls that glibc 2.36 has no function for, or one that does more than the call; and those that are made once or twice on the
// way to the command, where to look up a function takes longer than to call it. From 424 on the numbers are the same on every
// architecture (syscalls(2)).
const NUMBERS = {
  x64: {
    accept4: 288,
    bind: 49,
    capget: 125,
    capset: 126,
    flock: 73,
    listen: 50,
    pipe2: 293,
    prctl: 157,
    recvfrom: 45,
    sendmsg: 46,
    sendto: 44,
    setgroups: 116,
    setresgid: 119,
    setresuid: 117,
    socket: 41,
    socketpair: 53,
  },
  arm64: {
    accept4: 242,
    bind: 200,
    capget: 90,
    capset: 91,
    flock: 32,
    listen: 201,
    pipe2: 59,
    prctl: 167,
    recvfrom: 207,
    sendmsg: 211,
    sendto: 206,
    setgroups: 159,
    setresgid: 149,
    setresuid: 147,
    socket: 198,
    socketpair: 199,
  },
}[process.arch as 'x64' | 'arm64'];
const SYSCALLS = {
  ...NUMBERS,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  pidfd_open: 434,
  openat2: 437,
  mount_setattr: 442,
} as const;

/**
 * A system call by name: numbers as they are, buffers as the address of their bytes, null as the null pointer.
 * @returns the call's result, never -1
 * @throws SystemCallError
 */
export function systemCall(name: keyof typeof SYSCALLS, ...args: readonly (number | Buffer | null)[]): number {
  const word = (index: number): bigint => {
    const arg = args[index] ?? 0;
    return typeof arg === 'number' ? BigInt(arg) : getRawPointer(arg);
  };
  const number = BigInt(SYSCALLS[name]);
  return check(name, Number(libc.syscall(number, word(0), word(1), word(2), word(3), word(4), word(5))));
}

/**
 * A signal set of all signals, of none, or of one. 128 bytes (sigset_t of glibc). All: sigfillset(3) would leave out 32
 * and 33, which glibc uses itself, and posix_spawn then has the child ignore them.
 */
export function signalSet(which: 'all' | 'none' | number): Buffer {
  if (which === 'all') return Buffer.alloc(128, 0xff);
  const set = Buffer.alloc(128);
  // A bit for each, from 1 on, in words of 64 bits.
  if (which !== 'none') set.writeUInt8(1 << ((which - 1) % 8), (which - 1) >> 3);
  return set;
}

/** A NULL-terminated array of pointers, as execve(2) takes it. */
export function pointerArray(pointers: readonly bigint[]): Buffer {
  const array = Buffer.alloc((pointers.length + 1) * 8);
  for (const [index, pointer] of pointers.entries()) array.writeBigUInt64LE(pointer, index * 8);
  return array;
}

/** One entry of the environment as it stands in libc's memory: the address of its bytes, and a view of them. */
export interface EnvironmentEntry {
  readonly address: bigint;
  /** `NAME=value` in place: writing to it writes to what /proc/PID/environ shows. */
  readonly bytes: Buffer;
}

/** Address of libc's `environ`, looked up once. */
const environ = lib.getSymbol('environ');

/** libc's environment, entry by entry, without turning anything into text. */
export function* environmentEntries(): Generator<EnvironmentEntry> {
  const array = getUint64(environ);
  for (let offset = 0; ; offset += 8) {
    const address = getUint64(array, offset);
    if (address === 0n) return;
    yield { address, bytes: toBuffer(address, libc.strlen(address), false) };
  }
}

/** Takes an entry out of libc's environment: the ones behind it move up. */
export function removeEnvironmentEntry(entry: EnvironmentEntry): void {
  const array = toBuffer(getUint64(environ), [...environmentEntries()].length * 8 + 8, false);
  for (let offset = 0; offset < array.length; offset += 8) {
    if (array.readBigUInt64LE(offset) !== entry.address) continue;
    array.copy(array, offset, offset + 8);
    return;
  }
}

/**
 * Has C call a function. It runs outside Node's own callback scope: what is more than a system call it must hand over to the event
 * loop (setImmediate).
 * @returns its address, good for as long as the process lives
 */
export function callbackFor<const T extends FunctionSignature>(
  signature: T,
  listener: CallbackFunctionFromSignature<T>,
): bigint {
  return lib.registerCallback(signature, listener);
}

/** The address of the event loop that runs us (uv_loop_t of uv.h). */
export function eventLoop(): bigint {
  return getCurrentEventLoop();
}

/** Has V8 collect all garbage, at once, and give the memory back: Node does so when the machine has none left. */
export function collectGarbage(): void {
  lib.getFunction('_ZN4node21LowMemoryNotificationEv', { arguments: [], return: 'void' })(); // node::LowMemoryNotification()
}

/** Sets flags of V8's, as on Node's command line, from now on. */
export function setEngineFlags(flags: string): void {
  const set = lib.getFunction('_ZN2v82V818SetFlagsFromStringEPKc', { arguments: ['pointer'], return: 'void' });
  set(cString(flags)); // v8::V8::SetFlagsFromString(const char*)
}

/** posix_spawn_file_actions_addtcsetpgrp_np(3), which glibc has since 2.35: looked up only where there is a terminal. */
export function addForegroundAction(actions: Buffer, terminal: number): void {
  const add = lib.getFunction('posix_spawn_file_actions_addtcsetpgrp_np', {
    arguments: ['pointer', 'int32'],
    return: 'int32',
  });
  checkErrno('posix_spawn_file_actions_addtcsetpgrp_np', add(actions, terminal));
}
