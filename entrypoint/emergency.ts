// The last save when PID 1's event loop cannot be trusted any more: a worker whose whole conversation is written down for
// it in advance, waited for without the loop, for a few seconds at most.

import { closeSync, writeSync } from 'node:fs';
import { constants } from 'node:os';

import { encodeReply, type Replies } from '../lib/protocol.ts';
import { connectPair } from './connection-pair.ts';
import { libc } from './native.ts';
import { decodeWaitStatus, exitStatusOf } from './reaper.ts';
import type { SpawnWorker } from './worker.ts';

const PATIENCE = 5000; // ms
const LOOK_AGAIN = 5; // ms
const WNOHANG = 1;

/**
 * Saves the vault synchronously.
 * @param grant what the worker is answered
 * @throws Error when it failed or took too long; SystemCallError, CannotRun
 */
export function saveNow(spawn: SpawnWorker, grant: Replies['save']): void {
  const { own, other } = connectPair();
  writeSync(own, encodeReply({ ok: true, ...grant }));
  writeSync(own, encodeReply({ ok: true, baseline: '' }));
  const pid = spawn('save', other);
  closeSync(other);
  const status = Buffer.alloc(4);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; libc.waitpid(pid, status, WNOHANG) === 0; waited += LOOK_AGAIN) {
    if (waited >= PATIENCE) process.kill(pid, constants.signals.SIGKILL);
    Atomics.wait(pause, 0, 0, LOOK_AGAIN);
  }
  const ended = exitStatusOf(decodeWaitStatus(status.readInt32LE()));
  if (ended !== 0) throw new Error(`the save ended with status ${ended}`);
}
