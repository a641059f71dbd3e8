// A passphrase as it is being typed: bytes in memory that can be wiped, and the few keys that edit them.
// Backspace takes back one character (all bytes of a UTF-8 sequence), Ctrl-U all of them; Ctrl-D cancels an empty line,
// Ctrl-C always does. Ctrl-W and Ctrl-Z do nothing; every other byte belongs to the passphrase.

import { wipe } from '../lib/passphrase.ts';

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const CTRL_W = 0x17;
const CTRL_Z = 0x1a;
const BACKSPACE = 0x08;
const DELETE = 0x7f;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** What a byte did: the line goes on, is full (the byte was dropped), is complete, or was given up. */
export type Typed = 'more' | 'full' | 'done' | 'cancelled' | 'interrupted';

export class PassphraseLine implements Disposable {
  readonly #bytes = Buffer.alloc(1024);
  #length = 0;

  type(byte: number): Typed {
    switch (byte) {
      case RETURN:
      case NEWLINE:
        return 'done';
      case CTRL_C:
        return 'interrupted';
      case CTRL_D:
        return this.#length === 0 ? 'cancelled' : 'more';
      case CTRL_U:
        this.#cutTo(0);
        return 'more';
      case BACKSPACE:
      case DELETE:
        this.#cutTo(this.#startOfLastCharacter());
        return 'more';
      case CTRL_W:
      case CTRL_Z:
        return 'more';
      default:
        if (this.#length === this.#bytes.length) return 'full';
        this.#bytes[this.#length++] = byte;
        return 'more';
    }
  }

  /** A copy of what was typed, for the caller to wipe. */
  copy(): Buffer {
    const copy = Buffer.alloc(this.#length);
    this.#bytes.copy(copy, 0, 0, this.#length);
    return copy;
  }

  [Symbol.dispose](): void {
    wipe(this.#bytes);
  }

  #cutTo(length: number): void {
    this.#bytes.fill(0, length);
    this.#length = length;
  }

  /** Continuation bytes are 10xxxxxx (RFC 3629); a lead byte has at most three of them. */
  #startOfLastCharacter(): number {
    let start = Math.max(0, this.#length - 1);
    const earliest = Math.max(0, this.#length - 4);
    while (start > earliest && ((this.#bytes[start] ?? 0) & 0xc0) === 0x80) start--;
    return start;
  }
}
