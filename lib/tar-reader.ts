// The loop over a tar archive's entries: bytes in, whole entries out, in pieces of any size and without copying contents.
// Knows what GNU tar, Python, Go and bsdtar write: PAX headers, GNU long names, every size notation. What two tools could
// read differently is refused. Whether an entry may be written is not decided here: see entry-rules.ts.
// The end, as GNU tar sees it: two blocks of zeros, or one, or none if the stream ends between entries. What follows two
// blocks of zeros is padding and is not looked at.

import { TazpodError } from './errors.ts';
import { quoteName } from './escape.ts';
import { parsePax, parsePaxSize, parsePaxTime } from './pax.ts';
import { BLOCK_BYTES, decodeHeader, type TarHeader } from './tar-header.ts';

/** An entry as the archive has it: nothing about it has been judged. */
export interface TarEntry {
  /** From a reader it is valid during the call only. */
  readonly name: Buffer;
  /** The type flag; `5` for a directory, also where old archives only put a slash behind its name. */
  readonly type: string;
  readonly mode: number;
  /** Bytes of contents that follow: 0 for everything but files. */
  readonly size: number;
  readonly mtime: number | undefined;
  /** What a link points to; empty for the rest. */
  readonly target: Buffer;
}

/** Takes entries as they come: `entry`, then `data` as often as there are pieces, then `entryEnd`. */
export interface TarSink {
  entry(entry: TarEntry): void;
  /** @param piece valid during the call only */
  data(piece: Buffer): void;
  entryEnd(): void;
}

/** Extended headers and long names are read into memory: no honest one comes near this size. */
const LONGEST_EXTENSION = 1024 * 1024;

const FILE_TYPES = '07';
/** Entries that have no contents whatever their size field says (links carry their file's size in some archives). */
const BODILESS_TYPES = '123456';
const EXTENSION_TYPES = 'xgLK';

export class TarReader {
  readonly #sink: TarSink;
  /** A header block that the last piece ended in the middle of. */
  readonly #block = Buffer.alloc(BLOCK_BYTES);
  #blockFill = 0;
  /** Bytes of the present entry's contents, then of its padding, that are still to come. */
  #left = 0;
  #padding = 0;
  /** The body of an extension that is being collected. */
  #extension: { readonly type: string; readonly pieces: Buffer[] } | undefined;
  #pax: Map<string, Buffer> | undefined;
  #longName: Buffer | undefined;
  #longTarget: Buffer | undefined;
  #zeroBlocks = 0;
  #blocks = 0;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  /**
   * Reads on.
   * @throws TazpodError `malformed-archive`, and whatever the sink throws
   */
  push(piece: Buffer): void {
    for (let at = 0; at < piece.length && this.#zeroBlocks < 2;) {
      if (this.#left > 0) at += this.#takeBody(piece, at);
      else if (this.#padding > 0) at += this.#takePadding(piece.length - at);
      else at += this.#takeHeader(piece, at);
    }
  }

  /**
   * Says that the stream is over.
   * @throws TazpodError `malformed-archive` when it ends within an entry, or held nothing at all
   */
  end(): void {
    const whole = this.#left === 0 && this.#padding === 0 && this.#blockFill === 0;
    if (!whole || this.#hasPending) throw malformed('it ends in the middle of an entry');
    if (this.#blocks === 0) throw malformed('it is empty');
  }

  #takeBody(piece: Buffer, at: number): number {
    const part = piece.subarray(at, at + this.#left);
    this.#left -= part.length;
    if (this.#extension) this.#extension.pieces.push(Buffer.from(part));
    else this.#sink.data(part);
    if (this.#left === 0) this.#endBody();
    return part.length;
  }

  #takePadding(available: number): number {
    const length = Math.min(this.#padding, available);
    this.#padding -= length;
    return length;
  }

  #takeHeader(piece: Buffer, at: number): number {
    if (this.#blockFill === 0 && piece.length - at >= BLOCK_BYTES) {
      this.#header(piece.subarray(at, at + BLOCK_BYTES));
      return BLOCK_BYTES;
    }
    const copied = piece.copy(this.#block, this.#blockFill, at);
    this.#blockFill += copied;
    if (this.#blockFill === BLOCK_BYTES) {
      this.#blockFill = 0;
      this.#header(this.#block);
    }
    return copied;
  }

  #header(block: Buffer): void {
    this.#blocks += 1;
    const header = decodeHeader(block);
    if (header === undefined) {
      if (this.#hasPending) throw malformed('it ends in the middle of an entry');
      this.#zeroBlocks += 1;
      return;
    }
    if (this.#zeroBlocks > 0) throw malformed('an entry follows its end');
    if (EXTENSION_TYPES.includes(header.type)) this.#beginExtension(header);
    else this.#beginEntry(header);
    if (this.#left === 0) this.#endBody();
  }

  #beginExtension({ type, size }: TarHeader): void {
    if (size > LONGEST_EXTENSION) throw malformed('an extended header is too long');
    this.#extension = { type, pieces: [] };
    this.#expect(size);
  }

  #beginEntry(header: TarHeader): void {
    const entry = this.#complete(header);
    this.#pax = this.#longName = this.#longTarget = undefined;
    this.#expect(entry.size);
    this.#sink.entry(entry);
  }

  #expect(size: number): void {
    this.#left = size;
    this.#padding = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
  }

  #endBody(): void {
    const extension = this.#extension;
    if (extension === undefined) {
      this.#sink.entryEnd();
      return;
    }
    this.#extension = undefined;
    this.#endExtension(extension.type, Buffer.concat(extension.pieces));
  }

  #endExtension(type: string, body: Buffer): void {
    switch (type) {
      case 'L':
        if (this.#longName) throw malformed('an entry has two long names');
        this.#longName = withoutEndingNuls(body);
        break;
      case 'K':
        if (this.#longTarget) throw malformed('an entry has two long link targets');
        this.#longTarget = withoutEndingNuls(body);
        break;
      case 'x':
        if (this.#pax) throw malformed('an entry has two extended headers');
        this.#pax = parsePax(body);
        break;
      default:
        refuseHarmfulGlobals(parsePax(body));
    }
  }

  /** The entry that a header and the extensions before it make together. */
  #complete(header: TarHeader): TarEntry {
    const pax = this.#pax;
    const name = either('name', pax?.get('path'), this.#longName) ?? header.name;
    const target = either('link target', pax?.get('linkpath'), this.#longTarget) ?? header.target;
    const paxSize = pax?.get('size');
    const size = paxSize ? parsePaxSize(paxSize) : header.size;
    const paxTime = pax?.get('mtime');
    const mtime = paxTime ? parsePaxTime(paxTime) : header.mtime;
    const { type, mode } = header;
    if (type === 'S' || pax?.keys().some((key) => key.startsWith('GNU.sparse.'))) throw sparse(name);
    const isFile = FILE_TYPES.includes(type);
    if (isFile && name[name.length - 1] === SLASH) {
      if (size > 0) throw malformed('a directory has contents');
      return { name, type: '5', mode, size, mtime, target };
    }
    if (!isFile && !BODILESS_TYPES.includes(type)) {
      throw malformed(`it has an entry of a type that is not known ("${/^[\x21-\x7e]$/.test(type) ? type : '?'}")`);
    }
    return { name, type: isFile ? '0' : type, mode, size: isFile ? size : 0, mtime, target };
  }

  get #hasPending(): boolean {
    return [this.#extension, this.#pax, this.#longName, this.#longTarget].some((pending) => pending !== undefined);
  }
}

const SLASH = 0x2f;

function withoutEndingNuls(body: Buffer): Buffer {
  let end = body.length;
  while (end > 0 && body[end - 1] === 0) end -= 1;
  return body.subarray(0, end);
}

/** PAX and GNU both give a long name: tools disagree which one counts, so they must agree with each other. */
function either(what: string, pax: Buffer | undefined, gnu: Buffer | undefined): Buffer | undefined {
  if (pax?.length === 0) throw malformed(`an extended header takes the ${what} away`);
  if (pax && gnu && !pax.equals(gnu)) throw malformed(`an entry has two different ${what}s`);
  return pax ?? gnu;
}

/** A global header speaks for all entries that follow. Comments and times are common; these make no sense but as an attack. */
function refuseHarmfulGlobals(records: Map<string, Buffer>): void {
  const harmful = ['path', 'linkpath', 'size'].find((key) => records.has(key));
  if (harmful) throw malformed(`a global header sets the ${harmful} of all entries`);
}

function sparse(name: Buffer): TazpodError {
  return new TazpodError('refused-entry', `cannot accept the entry ${quoteName(name)}: it is a sparse file`, {
    hint: 'make it again without the option --sparse',
  });
}

function malformed(reason: string): TazpodError {
  return new TazpodError('malformed-archive', `cannot read the archive: ${reason}`);
}
