// A tar archive as it is being made, block by block, with every field as its maker wants it, right or wrong.
// Shares nothing with the code under test. POSIX.1-2017 pax, "ustar Interchange Format".

export const BLOCK = 512;

/** A header's fields as they shall stand there: what is longer is cut, what is shorter filled with NULs. */
export interface Fields {
  readonly name: Buffer;
  readonly mode: string;
  readonly size: string;
  readonly mtime: string;
  readonly type: string;
  readonly target: Buffer;
  readonly magic: string;
  readonly prefix: Buffer;
  /** The block's last bytes: star's mark. */
  readonly end: string;
  readonly checksum: 'right' | 'wrong' | 'blank';
}

/** A number as most tools write it: octal digits, then a NUL. */
export function octal(value: number, length: number): string {
  return `${value.toString(8).padStart(length - 1, '0')}\0`;
}

/** GNU's notation of large and negative numbers: the first bit set, then the number in two's complement. */
export function base256(value: bigint, length: number): string {
  const bytes = Buffer.alloc(length);
  for (let at = length - 1, rest = value; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes.toString('latin1');
}

export class Tape {
  #bytes = Buffer.alloc(64 * 1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A copy of all blocks so far. */
  copy(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  clear(): void {
    this.#length = 0;
  }

  append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.#length);
    this.#length += bytes.length;
  }

  zeros(length: number): void {
    this.#reserve(length);
    this.#bytes.fill(0, this.#length, this.#length + length);
    this.#length += length;
  }

  /** Fills up to a whole block. */
  pad(): void {
    this.zeros((BLOCK - (this.#length % BLOCK)) % BLOCK);
  }

  header({ name, mode, size, mtime, type, target, magic, prefix, end, checksum }: Fields): void {
    const start = this.#length;
    this.zeros(BLOCK);
    const block = this.#bytes.subarray(start, start + BLOCK);
    name.copy(block, 0, 0, 100);
    block.write(mode, 100, 8, 'latin1');
    block.write('0000000\x000000000\0', 108, 16, 'latin1');
    block.write(size, 124, 12, 'latin1');
    block.write(mtime, 136, 12, 'latin1');
    block.write(type, 156, 1, 'latin1');
    target.copy(block, 157, 0, 100);
    block.write(magic, 257, 8, 'latin1');
    prefix.copy(block, 345, 0, 155);
    if (end !== '') block.write(end, 508, 4, 'latin1');
    if (checksum !== 'blank') writeChecksum(block, checksum === 'right' ? 0 : 1);
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const larger = Buffer.alloc(2 * (this.#length + length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Gives a header block the checksum of what it holds, or one that is wrong by `error`. */
export function writeChecksum(block: Buffer, error = 0): void {
  let sum = error;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
}
