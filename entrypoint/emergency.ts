// The last save when PID 1's event loop cannot be trusted any more: a worker that is told beforehand all there is to tell,
// waited for without the loop, for a few seconds at most. One that a dead disk holds is left to it: it is killed, and does
// nothing any more when the disk comes back.

import { closeSync, readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';

import { errnoName } from '../lib/errors.ts';
import { decodeRequest, encodeReply, LineReader, type Replies } from '../lib/protocol.ts';
import { libc } from './native.ts';
import { decodeWaitStatus, exitStatusOf } from './reaper.ts';
import { connectPair } from './unix-socket.ts';
import type { SpawnWorker } from './worker.ts';

const KILL_PATIENCE = 500; // ms
const LOOK_AGAIN = 5; // ms
const WNOHANG = 1;

/**
 * Saves the vault synchronously.
 * @param grant what the worker is answered
 * @param patience milliseconds that it may take
 * @returns the worker's exit status; undefined when it took too long
 * @throws SystemCallError, CannotRun
 */
export function saveNow(spawn: SpawnWorker, grant: Replies['save'], patience: number): number | undefined {
  return converse(spawn, grant, patience, undefined).status;
}

/**
 * Writes an encrypted copy synchronously.
 * @returns its path; undefined when no directory took it
 * @throws as `saveNow`
 */
export function rescueNow(
  spawn: SpawnWorker,
  grant: Replies['save'],
  patience: number,
  directories: readonly string[],
): string | undefined {
  return converse(spawn, grant, patience, directories).rescued;
}

function converse(
  spawn: SpawnWorker,
  grant: Replies['save'],
  patience: number,
  rescue: readonly string[] | undefined,
): { status: number | undefined; rescued: string | undefined } {
  const { own, other } = connectPair();
  try {
    writeSync(own, encodeReply({ ok: true, ...grant, final: true }));
    const pid = spawn('save', other, { rescue });
    closeSync(other);
    return { status: waitFor(pid, patience), rescued: readRescued(own) };
  } finally {
    closeSync(own);
  }
}

/** Waits, then kills, then waits a moment. Undefined for a worker that did not end by itself. */
function waitFor(pid: number, patience: number): number | undefined {
  const status = Buffer.alloc(4);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const endsWithin = (milliseconds: number): boolean => {
    for (const end = Date.now() + milliseconds; libc.waitpid(pid, status, WNOHANG) === 0;) {
      if (Date.now() >= end) return false;
      Atomics.wait(pause, 0, 0, LOOK_AGAIN);
    }
    return true;
  };
  if (endsWithin(patience)) return exitStatusOf(decodeWaitStatus(status.readInt32LE()));
  process.kill(pid, constants.signals.SIGKILL);
  endsWithin(KILL_PATIENCE);
  return undefined;
}

/** What the worker has said of a copy, if it has. */
function readRescued(connection: number): string | undefined {
  const reader = new LineReader();
  const chunk = Buffer.alloc(65_536);
  let rescued: string | undefined;
  try {
    for (let length = readSync(connection, chunk); length > 0; length = readSync(connection, chunk)) {
      for (const line of reader.push(chunk.subarray(0, length))) {
        const request = decodeRequest(line);
        if (request.op === 'rescued') rescued = request.path;
      }
    }
  } catch (error) {
    // The socket does not block: nothing more has been said.
    if (errnoName(error) !== 'EAGAIN' && errnoName(error) !== 'ECONNRESET') throw error;
  }
  return rescued;
}
