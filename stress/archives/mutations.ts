// Archives that real tools made, changed here and there: bits and bytes, whole blocks, two archives put together, the end cut off.

import type { Random } from '../random.ts';
import { BLOCK, writeChecksum } from './tape.ts';

/** @param samples tars, not compressed */
export function mutated(samples: readonly Buffer[], random: Random): Buffer {
  const any = (): Buffer => samples[random.below(samples.length)] ?? Buffer.alloc(0);
  let tar: Buffer = Buffer.from(any());
  for (let count = 1 + random.below(4); count > 0; count--) tar = changed(tar, any, random);
  // Otherwise hardly anything but the check of the checksum would ever run.
  if (!random.oneIn(3)) mendChecksums(tar);
  return tar;
}

function changed(tar: Buffer, any: () => Buffer, random: Random): Buffer {
  const at = random.below(tar.length + 1);
  const block = random.below(tar.length / BLOCK + 1) * BLOCK;
  switch (random.below(8)) {
    case 0:
      return tar.subarray(0, at);
    case 1:
      return Buffer.concat([tar.subarray(0, block), any()]);
    case 2:
      return Buffer.concat([tar.subarray(0, block), tar.subarray(block + BLOCK)]);
    case 3:
      return Buffer.concat([tar.subarray(0, block), tar.subarray(block - BLOCK), tar.subarray(block)]);
    case 4:
      // Into the fields of some header, which are what matters.
      tar.fill(
        random.bytes(1 + random.below(12)),
        Math.min(tar.length, block + random.below(BLOCK)),
        Math.min(tar.length, block + BLOCK),
      );
      return tar;
    case 5:
      return Buffer.concat([tar.subarray(0, at), random.bytes(random.below(600)), tar.subarray(at)]);
    default:
      for (let count = 1 + random.below(8); count > 0; count--) flipBit(tar, random);
      return tar;
  }
}

function flipBit(tar: Buffer, random: Random): void {
  // Most bits of a tar are contents and padding; those of a header's fields are at the beginning of a block.
  const start = random.oneIn(2) ? 0 : random.below(tar.length / BLOCK) * BLOCK;
  const at = Math.min(tar.length - 1, start + random.below(random.pick([160, 265, BLOCK, tar.length])));
  if (at >= 0) tar[at] = (tar[at] ?? 0) ^ (1 << random.below(8));
}

function mendChecksums(tar: Buffer): void {
  for (let at = 0; at + BLOCK <= tar.length; at += BLOCK) {
    const block = tar.subarray(at, at + BLOCK);
    if (block.toString('latin1', 257, 262) === 'ustar') writeChecksum(block);
  }
}
