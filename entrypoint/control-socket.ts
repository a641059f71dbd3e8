// The control socket's place in the file system. It listens before it is served: nobody has anything to say until a worker or the
// command runs, and what serves is loaded then.

import { chmodSync, chownSync, closeSync, unlinkSync } from 'node:fs';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { CONTROL_SOCKET, RUNTIME_DIRECTORY } from '../lib/paths.ts';
import type { Operator } from './operator.ts';
import { listenAt } from './unix-socket.ts';

/**
 * Listens at the control socket: who connects waits until it is served. Whoever was there before is gone: the caller holds the
 * lock of the runtime directory.
 * @returns its descriptor
 * @throws TazpodError `configuration`
 */
export function listenForTools(operator: Operator): number {
  let listener: number | undefined;
  try {
    removeControlSocket();
    // Nobody else may connect in the moment before the socket has its owner and mode.
    const umask = process.umask(0o177);
    try {
      listener = listenAt(CONTROL_SOCKET);
    } finally {
      process.umask(umask);
    }
    if (process.getuid?.() === 0) chownSync(CONTROL_SOCKET, operator.uid, operator.gid);
    chmodSync(CONTROL_SOCKET, 0o600);
    return listener;
  } catch (error) {
    if (listener !== undefined) closeSync(listener);
    throw new TazpodError('configuration', `cannot listen at ${CONTROL_SOCKET}: ${reasonOf(error)}`, {
      hint: `give it a directory of its own: --tmpfs ${RUNTIME_DIRECTORY}`,
      cause: error,
    });
  }
}

/** Nobody finds it any more. What still listens is the kernel's to close. */
export function removeControlSocket(): void {
  try {
    unlinkSync(CONTROL_SOCKET);
  } catch (error) {
    if (errnoName(error) !== 'ENOENT') throw error;
  }
}
