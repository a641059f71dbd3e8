// The layer around a tar: gzip as it should be, most of the time, and all the ways in which it is not. RFC 1952, RFC 1951.
// What is not compressed (stored blocks) is made here, because that costs next to nothing.

import { crc32, deflateSync, gzipSync } from 'node:zlib';

import type { Random } from '../random.ts';

const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
const LARGEST_STORED = 0xffff;

export function gzipped(tar: Buffer, random: Random): Buffer {
  if (!random.oneIn(12)) return random.oneIn(10) ? gzipSync(tar, { level: 1 }) : member(tar);
  const whole = member(tar);
  switch (random.below(12)) {
    case 0:
      return members(tar, random);
    case 1:
      return whole.subarray(0, random.below(whole.length + 1));
    case 2:
      return withByte(whole, whole.length - 1 - random.below(8), random.bits());
    case 3:
      return Buffer.concat([whole, random.bytes(1 + random.below(40))]);
    case 4:
      return Buffer.concat([whole, Buffer.alloc(1 + random.below(1000))]);
    case 5:
      return Buffer.concat([whole, whole.subarray(0, random.below(whole.length))]);
    case 6:
      return Buffer.concat([withFlags(random), whole.subarray(HEADER.length)]);
    case 7:
      return withByte(whole, random.below(HEADER.length + 5), random.bits());
    case 8:
      return random.pick([
        tar,
        deflateSync(tar),
        gzipSync(whole),
        random.bytes(random.below(100)),
        Buffer.alloc(random.below(100)),
      ]);
    case 9:
      return Buffer.concat([member(Buffer.alloc(0)), whole, member(Buffer.alloc(0))]);
    default:
      return withByte(whole, random.below(whole.length), random.bits());
  }
}

/** One member, its contents not compressed. */
function member(contents: Buffer): Buffer {
  const blocks: Buffer[] = [HEADER];
  for (let at = 0; at === 0 || at < contents.length; at += LARGEST_STORED) {
    const stored = contents.subarray(at, at + LARGEST_STORED);
    const header = Buffer.alloc(5);
    header[0] = at + LARGEST_STORED >= contents.length ? 1 : 0;
    header.writeUInt16LE(stored.length, 1);
    header.writeUInt16LE(~stored.length & 0xffff, 3);
    blocks.push(header, stored);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(contents), 0);
  trailer.writeUInt32LE(contents.length, 4);
  return Buffer.concat([...blocks, trailer]);
}

function members(contents: Buffer, random: Random): Buffer {
  const cuts = Array.from({ length: 1 + random.below(6) }, () => random.below(contents.length + 1)).sort(
    (a, b) => a - b,
  );
  return Buffer.concat([0, ...cuts].map((cut, index) => member(contents.subarray(cut, cuts[index]))));
}

/** A header with the optional fields that its flags promise, or not. */
function withFlags(random: Random): Buffer {
  const header = Buffer.from(HEADER);
  header[3] = random.below(256);
  return Buffer.concat([
    header,
    random.bytes(random.below(4)),
    Buffer.from('name\0comment\0'.slice(0, random.below(14))),
  ]);
}

function withByte(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  if (at >= 0 && at < copy.length) copy[at] = value;
  return copy;
}

/** Zeros, spaces or extended headers that compress a thousandfold. */
export function bomb(length: number, fill: 'zeros' | 'text'): Buffer {
  return gzipSync(Buffer.alloc(length, fill === 'zeros' ? 0 : 'x'), { level: 9 });
}
