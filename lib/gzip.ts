// Compression of an archive as several gzip members in a row, which are one stream (RFC 1952 §2.2) to every reader. They are
// compressed beside each other on zlib's thread pool. What does not compress is stored: trying takes twenty times as long.
// Each is decompressed again at once, and compared with what went in: that an archive can be read need not be tried as a whole.
// The same bytes give the same members.

import { isAscii } from 'node:buffer';
import { constants, createGunzip, createGzip, type Gunzip, type Gzip, type ZlibReset } from 'node:zlib';

import { lengthOf } from './pieces.ts';
import type { Progress } from './progress.ts';
import { release } from './release.ts';

/** What a member holds: so much that what it cannot look back to costs less than a hundredth in size. */
const BLOCK_BYTES = 512 * 1024;
/** The first ones hold less: other cores begin sooner, and what holds no more than they do ends sooner, too. */
const FIRST = 16;
const FIRST_BYTES = 128 * 1024;

/** Members in the making: as many as the thread pool has threads, less one that may be deriving a key. */
const PARALLEL = 3;

/** Measured on a developer's vault and on text: level 6 takes three to four times as long for a sixth of the size. */
const FAST = 1;
const STORED = 0;

const SAMPLE_BYTES = 1024;
/** How often two bytes of a sample are the same: one time in 256 if all values are as likely, as in what is packed or encrypted. */
const MOST_ALIKE = 1.1 / 256;

/**
 * @param pieces as they come, each valid until the next
 * @param progress told of the bytes that went to the compressor; their total nobody knows before
 * @returns the members, each in memory of its own
 */
export async function gzip(pieces: Iterable<Buffer>, progress?: Progress): Promise<Buffer[]> {
  const members: Buffer[] = [];
  const blocks = Array.from({ length: PARALLEL + 1 }, () => Buffer.allocUnsafeSlow(BLOCK_BYTES));
  const presses = Array.from({ length: PARALLEL }, () => new Press());
  const running: Promise<Buffer>[] = [];
  let [done, turn] = [0, 0];
  for (const block of inBlocks(pieces, blocks)) {
    // Its last member has been awaited.
    const press = presses[turn++ % PARALLEL] ?? new Press();
    const member = press.memberOf(block);
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
  const next = (): Buffer => {
    const buffer = buffers[turn % buffers.length] ?? Buffer.alloc(0);
    return turn++ < FIRST ? buffer.subarray(0, FIRST_BYTES) : buffer;
  };
  let buffer = next();
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const copied = piece.copy(buffer, filled, at);
      at += copied;
      filled += copied;
      if (filled < buffer.length) continue;
      yield buffer;
      filled = 0;
      buffer = next();
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

/** What is written to a stream is a whole member, or becomes one: to write it and then to end it goes to the thread pool twice. */
const WHOLE = constants.Z_FINISH;

/** Makes one member after the other, with what zlib needs for it made once. */
class Press {
  readonly #compressors = new Map<number, Stage>();
  readonly #decompressor = new Stage(createGunzip({ chunkSize: BLOCK_BYTES, flush: WHOLE }));

  async memberOf(block: Buffer): Promise<Buffer> {
    const pieces: Buffer[] = [];
    // They share their memory with the next member.
    await this.#compressor(isPacked(block) ? STORED : FAST).process(block, (piece) => pieces.push(copyOf(piece)));
    // Mostly there is one.
    const member = pieces.length === 1 && pieces[0] ? pieces[0] : copyOf(...pieces);

    let found = 0;
    let isSame = true;
    await this.#decompressor.process(member, (piece) => {
      isSame &&= piece.equals(block.subarray(found, found + piece.length));
      found += piece.length;
    });
    if (!isSame || found !== block.length) throw new Error('what was compressed is not what it decompresses to');
    return member;
  }

  #compressor(level: number): Stage {
    const compressor =
      this.#compressors.get(level) ?? new Stage(createGzip({ level, chunkSize: BLOCK_BYTES, flush: WHOLE }));
    this.#compressors.set(level, compressor);
    return compressor;
  }
}

/** In memory of its own. */
function copyOf(...pieces: readonly Buffer[]): Buffer {
  const copy = Buffer.allocUnsafeSlow(lengthOf(pieces));
  pieces.reduce((at, piece) => at + piece.copy(copy, at), 0);
  return copy;
}

/** One of zlib's streams, for one piece of work after the other. */
class Stage {
  readonly #stream: (Gzip | Gunzip) & ZlibReset;
  #take: (piece: Buffer) => void = () => {};
  #fail: (error: Error) => void = () => {};

  constructor(stream: Gzip | Gunzip) {
    // The types leave it out.
    this.#stream = stream as typeof stream & ZlibReset;
    stream.on('error', (error) => this.#fail(error));
    stream.on('data', (piece: Buffer) => {
      this.#take(piece);
      // The end of its memory, of which all has been seen: zlib takes another for what comes next.
      if (piece.byteOffset + piece.length === piece.buffer.byteLength) release(Buffer.from(piece.buffer));
    });
  }

  /**
   * @param take is given what comes out, in pieces that are valid during the call only
   * @throws zlib's error
   */
  async process(input: Buffer, take: (piece: Buffer) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#take = take;
    this.#fail = reject;
    this.#stream.write(input, (error) => (error ? reject(error) : resolve()));
    await promise;
    this.#stream.reset();
  }
}

/** Judged by a part at its begin, in its middle and at its end: all of them must be. */
function isPacked(block: Buffer): boolean {
  if (block.length < 4 * SAMPLE_BYTES) return false;
  const last = block.length - SAMPLE_BYTES;
  return [0, last >> 1, last].every((at) => isEven(block.subarray(at, at + SAMPLE_BYTES)));
}

/** Whether all values are as likely. Half of them alone are not: to see that takes no counting. */
function isEven(sample: Buffer): boolean {
  return !isAscii(sample) && shareAlike(sample) < MOST_ALIKE;
}

/** Of all pairs of bytes. */
function shareAlike(sample: Buffer): number {
  const counts = new Uint16Array(256);
  let pairs = 0;
  for (let index = 0; index < sample.length; index++) {
    const value = sample[index] ?? 0;
    const before = counts[value] ?? 0;
    pairs += before;
    counts[value] = before + 1;
  }
  return (2 * pairs) / (sample.length * (sample.length - 1));
}
