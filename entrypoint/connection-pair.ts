// A connection without a path: a pair of sockets, one of which a worker inherits (socketpair(2)).

import { check, libc } from './native.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

/** Two descriptors that are connected with each other, closed at exec; no call waits on them. */
export function connectPair(): { readonly own: number; readonly other: number } {
  const pair = Buffer.alloc(8);
  check('socketpair', libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
  return { own: pair.readInt32LE(0), other: pair.readInt32LE(4) };
}
