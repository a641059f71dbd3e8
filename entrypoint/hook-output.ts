// What a hook writes, taken from a pipe line by line as it comes, for the log. Of bounded length, so that no hook fills our
// memory; what is too much is read all the same, or the hook would wait for us for ever.

import { closeSync } from 'node:fs';

import { libc, systemCall } from './native.ts';
import { printable } from './printable.ts';
import { ReadinessPoll } from './readiness.ts';

const O_CLOEXEC = 0o2000000;
const BUFFER_BYTES = 16_384;
const LONGEST_LINE = 1000; // bytes
const MOST_LINES = 200;
/** How often one may come back for more before the event loop has its turn, and at the end at all: a pipe holds 64 KiB. */
const READS_IN_A_ROW = 4;
const LAST_READS = 16;
const NEWLINE = 0x0a;
/** Colours and the like, which are no characters (ECMA-48, "control sequences"). */
const CONTROL_SEQUENCE = new RegExp(`${String.fromCharCode(0x1b)}\\[[0-?]*[ -/]*[@-~]`, 'g');

/** One buffer for all: what is in it is taken before anything else happens. */
const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);

export class HookOutput {
  readonly #tell: (line: string) => void;
  readonly #readEnd: number;
  readonly #poll: ReadinessPoll;
  #writeEnd: number;
  #line = Buffer.alloc(0);
  #isCut = false;
  #left = MOST_LINES;
  #isClosed = false;
  #hasEnded = false;

  /** @param tell takes a line, of printable text */
  constructor(tell: (line: string) => void) {
    this.#tell = tell;
    const ends = Buffer.alloc(8);
    systemCall('pipe2', ends, O_CLOEXEC);
    [this.#readEnd, this.#writeEnd] = [ends.readInt32LE(0), ends.readInt32LE(4)];
    this.#poll = new ReadinessPoll(this.#readEnd, () => {
      this.#take(READS_IN_A_ROW);
      if (!this.#isClosed) this.#poll.start();
    });
  }

  /** Where the hook writes. */
  get writeEnd(): number {
    return this.#writeEnd;
  }

  /** The hook has its end of the pipe. */
  follow(): void {
    closeSync(this.#writeEnd);
    this.#writeEnd = -1;
    this.#poll.start();
  }

  /** The hook has ended, and has said what it had to say. What it has left running may go on to write. */
  end(): void {
    this.#take(LAST_READS);
    this.#hasEnded = true;
    this.#endLine();
    this.#closeIfUseless();
  }

  /** Nothing more is taken. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#poll.close();
    closeSync(this.#readEnd);
    if (this.#writeEnd !== -1) closeSync(this.#writeEnd);
  }

  #take(reads: number): void {
    for (let read = 0; read < reads && !this.#isClosed; read += 1) {
      const length = Number(libc.read(this.#readEnd, buffer, BigInt(BUFFER_BYTES)));
      if (length < 0) return;
      if (length === 0) {
        this.#endLine();
        this.close();
        return;
      }
      this.#cutIntoLines(buffer.subarray(0, length));
      buffer.fill(0, 0, length);
      this.#closeIfUseless();
    }
  }

  #cutIntoLines(bytes: Buffer): void {
    let rest = bytes;
    while (this.#left > 0 && rest.length > 0) {
      const end = rest.indexOf(NEWLINE);
      this.#append(end === -1 ? rest : rest.subarray(0, end));
      if (end === -1) return;
      this.#endLine(true);
      rest = rest.subarray(end + 1);
    }
  }

  #append(bytes: Buffer): void {
    const room = LONGEST_LINE - this.#line.length;
    this.#isCut ||= bytes.length > room;
    if (room > 0) this.#line = Buffer.concat([this.#line, bytes.subarray(0, room)]);
  }

  /** @param evenEmpty a line that holds nothing is one, too */
  #endLine(evenEmpty = false): void {
    if (this.#left > 0 && (evenEmpty || this.#line.length > 0)) {
      this.#left -= 1;
      const text = this.#line.toString().replaceAll(CONTROL_SEQUENCE, '').replaceAll('\t', ' ').replaceAll('\r', '');
      this.#tell(`${printable(text)}${this.#isCut ? '…' : ''}`);
      if (this.#left === 0) this.#tell('… (what comes after this is left out)');
    }
    this.#line = Buffer.alloc(0);
    this.#isCut = false;
  }

  /** Of what a hook has left running enough was heard. */
  #closeIfUseless(): void {
    if (this.#left === 0 && this.#hasEnded) this.close();
  }
}
