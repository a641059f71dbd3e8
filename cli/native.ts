// What the tool needs of C and Node has not: prctl(2), sockets without node:net, a descriptor from PID 1, and an end without
// Node's own. This is its only file that calls into C.

import { closeSync } from 'node:fs';
import { dlopen, getInt32, getRawPointer, type FunctionDefinitions } from 'node:ffi';

import { SystemCallError } from '../lib/errors.ts';

const PR_SET_DUMPABLE = 4;

const { lib, functions: libc } = dlopen(null, {
  __errno_location: { arguments: [], return: 'pointer' },
  prctl: { arguments: ['int32', 'uint64', 'uint64', 'uint64', 'uint64'], return: 'int32' },
  _exit: { arguments: ['int32'], return: 'void' },
} as const satisfies FunctionDefinitions);

/** What the call that failed last has left: to be made before anything else is called. */
function systemError(syscall: string): SystemCallError {
  return new SystemCallError(syscall, getInt32(libc.__errno_location()));
}

/**
 * Keeps what is in our memory there: no core dump, and nobody but root may look into it, not even the operator's other
 * processes (PR_SET_DUMPABLE). To be called before a secret is read, and after a change of identity.
 */
export function becomeUndumpable(): void {
  if (libc.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) !== 0) throw new Error('cannot become undumpable');
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDTIMEO = 21;
const F_SETFL = 4;
const SHUT_RDWR = 2;
/** struct sockaddr_un of unix(7): the family, and a path with its NUL. */
const [FAMILY_BYTES, PATH_BYTES] = [2, 108];

/**
 * Connects to a socket in the file system, by a descriptor whose calls wait.
 * @param seconds how long to wait while its backlog is full
 * @throws SystemCallError
 */
export function connectSocket(path: string, seconds: number): number {
  const name = Buffer.from(path);
  if (name.length >= PATH_BYTES) throw new Error(`cannot connect to ${path}: the path is too long`);
  const address = Buffer.alloc(FAMILY_BYTES + PATH_BYTES);
  address.writeUInt16LE(AF_UNIX);
  name.copy(address, FAMILY_BYTES);
  const time = Buffer.alloc(16); // struct timeval
  time.writeBigInt64LE(BigInt(seconds));

  const { socket, setsockopt, connect } = lib.getFunctions({
    socket: { arguments: ['int32', 'int32', 'int32'], return: 'int32' },
    setsockopt: { arguments: ['int32', 'int32', 'int32', 'pointer', 'uint32'], return: 'int32' },
    connect: { arguments: ['int32', 'pointer', 'uint32'], return: 'int32' },
  });
  const descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor === -1) throw systemError('socket');
  if (
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, time, time.length) === 0 &&
    connect(descriptor, address, address.length) === 0
  )
    return descriptor;
  const error = systemError('connect');
  closeSync(descriptor);
  throw error;
}

/** Has calls on a descriptor wait, whatever who left it to us had set. */
export function makeBlocking(descriptor: number): void {
  const fcntl = lib.getFunction('fcntl', { arguments: ['int32', 'int32', 'int32'], return: 'int32' });
  if (fcntl(descriptor, F_SETFL, 0) === -1) throw systemError('fcntl');
}

/** Ends a connection, also for another thread that waits for something to read there: a close alone would wait for that. */
export function hangUp(descriptor: number): void {
  const shutdown = lib.getFunction('shutdown', { arguments: ['int32', 'int32'], return: 'int32' });
  shutdown(descriptor, SHUT_RDWR);
  closeSync(descriptor);
}

const MSG_CMSG_CLOEXEC = 0x4000_0000;

/**
 * Waits for a descriptor that is passed over a connection with one byte (SCM_RIGHTS, unix(7); struct msghdr of recvmsg(2) and struct
 * cmsghdr of cmsg(3), 64 bits). The calling thread does nothing else meanwhile.
 * @param target the number that it shall have, whatever has that now
 * @returns false where the other end was closed instead
 */
export function receiveDescriptor(connection: number, target: number): boolean {
  const receive = lib.getFunction('recvmsg', { arguments: ['int32', 'pointer', 'int32'], return: 'int64' });
  const duplicate = lib.getFunction('dup3', { arguments: ['int32', 'int32', 'int32'], return: 'int32' });
  const byte = Buffer.alloc(1);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(getRawPointer(byte));
  vector.writeBigUInt64LE(1n, 8);
  const control = Buffer.alloc(24);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(getRawPointer(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(getRawPointer(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  if (receive(connection, getRawPointer(header), MSG_CMSG_CLOEXEC) !== 1n || control.readBigUInt64LE() !== 20n)
    return false;
  const received = control.readInt32LE(16);
  if (duplicate(received, target, 0) !== target) return false;
  closeSync(received);
  return true;
}

/**
 * Ends the process at once. Node's own way takes milliseconds to undo what the kernel undoes anyway, and now and then for
 * ever: it joins V8's worker thread, which may be waiting for the main thread to collect garbage.
 */
export function endAtOnce(status: number): void {
  libc._exit(status);
}
