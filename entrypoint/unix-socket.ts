// Sockets of the control protocol as descriptors (unix(7)).

import { closeSync } from 'node:fs';

import { addressOf, systemCall } from './native.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const TYPE = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
/** struct sockaddr_un: the family, and a path with its NUL. */
const [FAMILY_BYTES, PATH_BYTES] = [2, 108];
/** Clients that wait until they are accepted. */
const BACKLOG = 511;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;

/** Two descriptors that are connected with each other, closed at exec; no call waits on them. A worker inherits one. */
export function connectPair(): { readonly own: number; readonly other: number } {
  const pair = Buffer.alloc(8);
  systemCall('socketpair', AF_UNIX, TYPE, 0, pair);
  return { own: pair.readInt32LE(0), other: pair.readInt32LE(4) };
}

/**
 * Listens at a path, which must be free. The socket gets 0777 less the umask.
 * @returns the descriptor, closed at exec; no call waits on it
 * @throws SystemCallError
 */
export function listenAt(path: string): number {
  const address = Buffer.alloc(FAMILY_BYTES + PATH_BYTES);
  address.writeUInt16LE(AF_UNIX);
  if (address.write(path, FAMILY_BYTES) >= PATH_BYTES)
    throw new Error(`cannot listen at ${path}: the path is too long`);
  const descriptor = systemCall('socket', AF_UNIX, TYPE, 0);
  try {
    systemCall('bind', descriptor, address, address.length);
    systemCall('listen', descriptor, BACKLOG);
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Accepts who waits at a socket that listens. @throws SystemCallError `EAGAIN` when there is nobody */
export function accept(listener: number): number {
  return systemCall('accept4', listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/**
 * Hands a descriptor to whoever holds the other end of a connection, with one byte (SCM_RIGHTS, unix(7); struct msghdr of recvmsg(2)
 * and struct cmsghdr of cmsg(3), 64 bits).
 * @throws SystemCallError
 */
export function passDescriptor(connection: number, descriptor: number): void {
  const byte = Buffer.alloc(1);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(addressOf(byte));
  vector.writeBigUInt64LE(1n, 8);
  const control = Buffer.alloc(24);
  control.writeBigUInt64LE(20n);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(descriptor, 16);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  systemCall('sendmsg', connection, header, MSG_NOSIGNAL);
}
