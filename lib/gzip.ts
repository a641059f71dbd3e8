// Compression of an archive as several gzip members in a row, which are one stream (RFC 1952 §2.2) to every reader. They are
// compressed beside each other on zlib's thread pool. What does not compress is stored: trying takes twenty times as long.
// Each is decompressed again at once, and compared with what went in: that an archive can be read need not be tried as a whole.
// The same bytes give the same members.

import { deflateRawSync, gunzip as gunzipCallback, gzip as gzipCallback } from 'node:zlib';
import { promisify } from 'node:util';

import type { Progress } from './progress.ts';
import { release } from './release.ts';

const gzipOnThreadPool = promisify(gzipCallback);
const gunzipOnThreadPool = promisify(gunzipCallback);

/** What a member holds: so much that what it cannot look back to costs less than a hundredth in size. */
const BLOCK_BYTES = 512 * 1024;

/** A member and the room that one has that does not compress: header, trailer, five bytes for each block of deflate. */
const MEMBER_BYTES = BLOCK_BYTES + BLOCK_BYTES / 256 + 64;

/** Members in the making: as many as the thread pool has threads, less one that may be deriving a key. */
const PARALLEL = 3;

/** Measured on a developer's vault and on text: level 6 takes three to four times as long for a sixth of the size. */
const FAST = 1;
const STORED = 0;

const SAMPLE_BYTES = 4096;
/** A sample that shrinks less than this is packed already. */
const WORTH_IT = 0.97;

/**
 * @param pieces as they come; the memory of a large one, which must be its own, is given back
 * @param progress told of the bytes that went to the compressor; their total nobody knows before
 * @returns the members, each in memory of its own
 */
export async function gzip(pieces: Iterable<Buffer>, progress?: Progress): Promise<Buffer[]> {
  const members: Buffer[] = [];
  const blocks = Array.from({ length: PARALLEL + 1 }, () => Buffer.allocUnsafeSlow(BLOCK_BYTES));
  const running: Promise<Buffer>[] = [];
  let done = 0;
  for (const block of inBlocks(pieces, blocks)) {
    const member = memberOf(block);
    // Its failure is met where it is awaited; until then it must not count as unhandled.
    member.catch(() => undefined);
    running.push(member);
    progress?.((done += block.length));
    if (running.length === PARALLEL) members.push(...(await Promise.all(running.splice(0, 1))));
  }
  members.push(...(await Promise.all(running)));
  return members;
}

/** Fills the buffers in turn: of each the caller is done when all but one have been filled again. */
function* inBlocks(pieces: Iterable<Buffer>, buffers: readonly Buffer[]): Generator<Buffer> {
  let [turn, filled] = [0, 0];
  let buffer = buffers[0] ?? Buffer.alloc(0);
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const copied = piece.copy(buffer, filled, at);
      at += copied;
      filled += copied;
      if (filled < buffer.length) continue;
      yield buffer;
      filled = 0;
      turn = (turn + 1) % buffers.length;
      buffer = buffers[turn] ?? buffer;
    }
    release(piece);
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

async function memberOf(block: Buffer): Promise<Buffer> {
  const level = isPacked(block) ? STORED : FAST;
  const compressed = await gzipOnThreadPool(block, { level, chunkSize: MEMBER_BYTES });
  const found = await gunzipOnThreadPool(compressed, { chunkSize: MEMBER_BYTES });
  if (!found.equals(block)) throw new Error('what was compressed is not what it decompresses to');
  const member = Buffer.allocUnsafeSlow(compressed.length);
  compressed.copy(member);
  for (const { buffer } of [compressed, found]) release(Buffer.from(buffer));
  return member;
}

/** Judged by a part at its begin, in its middle and at its end: all of them must be. */
function isPacked(block: Buffer): boolean {
  if (block.length < 3 * SAMPLE_BYTES) return false;
  const last = block.length - SAMPLE_BYTES;
  return [0, last >> 1, last].every((at) => {
    const sample = block.subarray(at, at + SAMPLE_BYTES);
    return deflateRawSync(sample, { level: FAST }).length > WORTH_IT * SAMPLE_BYTES;
  });
}
