// Decompression of an archive that has been verified but is not trusted: on zlib's thread pool, in pieces, within a budget.
// Several gzip members in a row are one stream (RFC 1952 §2.2); every trailer is checked; nothing may follow the last.

import { createGunzip } from 'node:zlib';

import { errnoName, TazpodError } from './errors.ts';
import { release } from './release.ts';
import type { Progress } from './progress.ts';

/** Large enough that the hand-over between threads costs nothing beside the work, small enough to stay in cache. */
const PIECE_BYTES = 256 * 1024;

/**
 * The decompressed stream, piece by piece. Runs ahead of its reader by a piece or two, so that both have work.
 * @param budget the most bytes that may come out
 * @param progress is told how much has gone in
 * @throws TazpodError `malformed-archive` for what is not whole gzip, `too-big` when the budget is spent
 */
export async function* gunzip(
  compressed: Buffer,
  budget: number,
  progress?: Progress,
): AsyncGenerator<Buffer, void, undefined> {
  // Options of the stream that a zlib stream is; its types leave them out.
  const options = { chunkSize: PIECE_BYTES, readableHighWaterMark: 2 * PIECE_BYTES };
  const stream = createGunzip(options);
  stream.end(compressed);
  let total = 0;
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      total += piece.length;
      if (total > budget) throw tooBig(budget);
      progress?.(stream.bytesWritten, compressed.length);
      yield piece;
      // Full: zlib has taken another one already.
      if (piece.length === piece.buffer.byteLength) release(piece);
    }
  } catch (error) {
    throw isZlibError(error) ? malformed(error.message, error) : error;
  }
  // zlib stops without a word at zero bytes after a trailer, which gzip takes for padding of a tape.
  if (stream.bytesWritten !== compressed.length) throw malformed('something follows its end');
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_') && !errnoName(error);
}

function malformed(reason: string, cause?: unknown): TazpodError {
  return new TazpodError('malformed-archive', `cannot decompress the archive: ${reason}`, { cause });
}

function tooBig(budget: number): TazpodError {
  return new TazpodError('too-big', `cannot decompress the archive: it holds more than ${budget} bytes`, {
    hint: 'raise TAZPOD_ENCLAVE_SIZE (tazpod vault extract: --max-size) if you trust the one who made it',
  });
}
