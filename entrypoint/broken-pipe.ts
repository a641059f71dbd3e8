// Writing to a pipe or a socket whose reader is gone raises SIGPIPE in the writer (pipe(7)). PID 1 catches that signal, since
// it forwards what it is sent: its own must go nowhere, or a standard error that nobody reads any more would end the command.
// What a write raises is pending in the thread that wrote (signal(7)), so it can be taken back there. (A send(2) can be told to raise
// none: connection.ts.)

import { constants } from 'node:os';

import { checkErrno, libc, signalSet } from './native.ts';

const { SIGPIPE } = constants.signals;
const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const BROKEN_PIPE = signalSet(SIGPIPE);
/** struct timespec: none at all. */
const AT_ONCE = Buffer.alloc(16);
/** siginfo_t, and where the sender's process stands in it. */
const information = Buffer.alloc(128);
const SI_PID = 16;

/** Calls `write`, which must write before it returns or not at all; it fails with EPIPE as it does where SIGPIPE is ignored. */
export function withoutBrokenPipe<T>(write: () => T): T {
  checkErrno('pthread_sigmask', libc.pthread_sigmask(SIG_BLOCK, BROKEN_PIPE, null));
  try {
    return write();
  } finally {
    const taken = libc.sigtimedwait(BROKEN_PIPE, information, AT_ONCE);
    checkErrno('pthread_sigmask', libc.pthread_sigmask(SIG_UNBLOCK, BROKEN_PIPE, null));
    // Somebody else's, that came meanwhile, goes its way.
    if (taken === SIGPIPE && information.readInt32LE(SI_PID) !== process.pid) libc.kill(process.pid, SIGPIPE);
  }
}
