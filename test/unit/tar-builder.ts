// Tar archives byte by byte, as an attacker or another tool would write them; shares nothing with the code under test.

import { gzipSync } from 'node:zlib';

export interface Block {
  readonly name?: string | Buffer;
  /** Type flag. */
  readonly type?: string;
  readonly mode?: number;
  /** What the size field says; else the length of `body`. */
  readonly size?: number | string;
  readonly mtime?: number;
  readonly target?: string | Buffer;
  readonly prefix?: string;
  readonly magic?: string;
  readonly body?: string | Buffer;
  /** What the checksum field says; else the right sum. */
  readonly checksum?: number;
}

export function entry(block: Block): Buffer {
  const body = Buffer.from(block.body ?? '');
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) => {
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  Buffer.from(block.name ?? 'file').copy(header, 0, 0, 100);
  octal(block.mode ?? 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  const size = block.size ?? body.length;
  if (typeof size === 'string') header.write(size, 124, 'latin1');
  else octal(size, 124, 12);
  octal(block.mtime ?? 1_700_000_000, 136, 12);
  header.write(block.type ?? '0', 156, 'latin1');
  Buffer.from(block.target ?? '').copy(header, 157, 0, 100);
  header.write(block.magic ?? 'ustar\x0000', 257, 'latin1');
  header.write(block.prefix ?? '', 345, 'latin1');
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${(block.checksum ?? sum).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** An extended header for the entry that follows (or, type `g`, for all of them). */
export function pax(records: Record<string, string | Buffer>, type = 'x'): Buffer {
  const body = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
    let length = rest.length;
    while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return entry({ name: 'pax', type, body: Buffer.concat(body) });
}

export const END = Buffer.alloc(1024);

/** A tar.gz of these parts and the end blocks. */
export function archive(...parts: readonly Buffer[]): Buffer {
  return gzipSync(Buffer.concat([...parts, END]));
}
