// The grammar of hostile archives: entries with the extensions before them, most of them nearly right, so that what comes
// after them is reached; and how an archive ends.

import type { Random } from '../random.ts';
import { plainName, randomName, randomTarget, tidyName } from './names.ts';
import { base256, octal, type Fields, type Tape } from './tape.ts';

const NOTHING = Buffer.alloc(0);
const MOST_ENTRIES = 10;
const PAX_KEYS = [
  'path',
  'linkpath',
  'size',
  'mtime',
  'mode',
  'uid',
  'hdrcharset',
  'comment',
  'SCHILY.xattr.user.x',
] as const;

/** What can be wrong about an archive. */
const FOCUSES = ['name', 'target', 'order', 'type', 'size', 'extension', 'header', 'end'] as const;
type Focus = (typeof FOCUSES)[number];

/** How often something is wrong where an archive has its focus, and how often elsewhere, in a hundred. */
interface Wildness {
  readonly focus: Focus;
  readonly there: number;
  readonly elsewhere: number;
}

/**
 * Puts a whole archive on the tape. Where everything is wrong an archive is refused at its first entry: so each has a focus.
 * @param outside a path that exists on this machine and is none of the archive's business
 */
export function writeArchive(tape: Tape, random: Random, outside: string): void {
  const wildness = {
    focus: random.pick(FOCUSES),
    there: random.pick([0, 10, 20, 50, 80]),
    elsewhere: random.pick([0, 0, 0, 2, 10]),
  };
  const writer = new EntryWriter(tape, random, outside, wildness);
  for (let count = random.below(MOST_ENTRIES + 1); count > 0; count--) writer.write();
  writer.end();
}

class EntryWriter {
  readonly #tape: Tape;
  readonly #random: Random;
  readonly #outside: string;
  readonly #wildness: Wildness;
  /** Files so far: what a hard link can be another name of. */
  readonly #files: Buffer[] = [];

  constructor(tape: Tape, random: Random, outside: string, wildness: Wildness) {
    this.#tape = tape;
    this.#random = random;
    this.#outside = outside;
    this.#wildness = wildness;
  }

  write(): void {
    const random = this.#random;
    const type = this.#type();
    const name = this.#name(type);
    const isLink = type === '1' || type === '2';
    const target = isLink ? this.#target(type) : NOTHING;
    const isFile = type === '0' || type === '7' || type === '\0';
    const body = isFile ? this.#body() : NOTHING;
    if (isFile) this.#files.push(name);
    this.#extensions(name, target, body.length);
    this.#header({ name, type, target, size: this.#size(body.length) });
    this.#tape.append(body);
    if (!this.#goesWrong('size') || random.oneIn(2)) this.#tape.pad();
  }

  end(): void {
    const [tape, random] = [this.#tape, this.#random];
    if (!this.#goesWrong('end')) return tape.zeros(1024);
    switch (random.below(6)) {
      case 0:
        return;
      case 1:
        return tape.zeros(512);
      case 2:
        return tape.zeros(random.below(2000));
      case 3:
        tape.zeros(1024);
        return tape.append(random.bytes(random.below(1000)));
      case 4:
        tape.zeros(512);
        return this.write();
      default:
        return tape.zeros(20 * 512);
    }
  }

  #goesWrong(what: Focus): boolean {
    const { focus, there, elsewhere } = this.#wildness;
    return this.#random.below(100) < (focus === what ? there : elsewhere);
  }

  #type(): string {
    if (!this.#goesWrong('type')) {
      const type = this.#random.pick(['0', '0', '0', '5', '5', '2', '2', '2', '1', '1', '\0', '7']);
      return type === '1' && this.#files.length === 0 ? '0' : type;
    }
    if (this.#random.oneIn(3)) return String.fromCodePoint(this.#random.below(256));
    return this.#random.pick(['3', '4', '6', 'S', 'x', 'g', 'L', 'K', 'D', 'M', 'V', 'X', 'A', 'I', 'N', ' ']);
  }

  #name(type: string): Buffer {
    if (this.#goesWrong('name')) return randomName(this.#random, this.#outside);
    return this.#goesWrong('order') ? plainName(this.#random) : tidyName(this.#random, type);
  }

  #target(type: string): Buffer {
    if (this.#goesWrong('target')) return randomTarget(this.#random, this.#outside);
    if (type === '1') return this.#files[this.#random.below(this.#files.length)] ?? plainName(this.#random);
    return Buffer.from(this.#random.pick(['a', 'b', 'd', 'l', 'm', 'a/b', 'x', '.', 'a/../b', 'd/../f']));
  }

  #body(): Buffer {
    const { below, pick } = bound(this.#random);
    const length = this.#random.oneIn(4) ? pick([0, 1, 511, 512, 513, 1024, 4095, 4096, 5000]) : below(40);
    return Buffer.alloc(length, 'secret ');
  }

  #size(length: number): string {
    const { below, pick } = bound(this.#random);
    if (!this.#goesWrong('size')) return octal(length, 12);
    switch (below(12)) {
      case 0:
        return octal(pick([0, 1, 511, 512, 513, 4096, 2 ** 26, 2 ** 26 + 1, 2 ** 32, 2 ** 33 - 1]), 12);
      case 1:
        return base256(BigInt(length), 12);
      case 2:
        return base256(BigInt(pick([-1, -512, -(2 ** 40), 2 ** 40])), 12);
      case 3:
        return base256(2n ** BigInt(below(95)) - BigInt(below(2)), 12);
      case 4:
        return '\xff'.repeat(12);
      case 5:
        return `\x80${'\xff'.repeat(11)}`;
      case 6:
        return ' '.repeat(below(12)) + length.toString(8);
      case 7:
        return `${length.toString(8)} `;
      case 8:
        return pick(['12x4', '-1', '+5', '0x10', '9', '1 1', '\0', '', '           ', '777777777777', '1e3', '.5']);
      case 9:
        return this.#random.bytes(12).toString('latin1');
      default:
        return octal(Math.max(0, length + below(1100) - 550), 12);
    }
  }

  #extensions(name: Buffer, target: Buffer, length: number): void {
    const random = this.#random;
    const needed = name.length > 100 || target.length > 100 || name.includes(0);
    if (!needed && !this.#goesWrong('extension') && !random.oneIn(10)) return;
    if (random.oneIn(3)) {
      if (name.length > 100 || random.oneIn(2)) this.#gnuLong('L', name);
      if (target.length > 100) this.#gnuLong('K', target);
      if (!this.#goesWrong('extension')) return;
    }
    if (random.oneIn(6)) this.#pax('g', this.#randomRecords());
    const records = [record('path', name)];
    if (target.length > 0) records.push(record('linkpath', target));
    if (random.oneIn(3)) records.push(record('size', Buffer.from(String(length))));
    if (random.oneIn(3)) records.push(record('mtime', Buffer.from(random.pick(['0', '1.5', '-3', '1700000000.25']))));
    if (this.#goesWrong('extension')) records.push(this.#randomRecords());
    this.#pax('x', Buffer.concat(records));
    if (this.#goesWrong('extension')) this.#pax(random.pick(['x', 'g', 'L', 'K', 'X']), this.#randomRecords());
  }

  #gnuLong(type: string, name: Buffer): void {
    const end = this.#random.pick(['\0', '\0', '', '\0\0\0', '\0x']);
    this.#pax(type, Buffer.concat([name, Buffer.from(end)]));
  }

  #pax(type: string, body: Buffer): void {
    const name = Buffer.from(type === 'L' || type === 'K' ? '././@LongLink' : 'PaxHeaders/x');
    this.#header({ name, type, target: NOTHING, size: this.#size(body.length) });
    this.#tape.append(body);
    this.#tape.pad();
  }

  #randomRecords(): Buffer {
    const random = this.#random;
    const count = 1 + random.below(4);
    return Buffer.concat(Array.from({ length: count }, () => this.#randomRecord()));
  }

  #randomRecord(): Buffer {
    const random = this.#random;
    const key = random.oneIn(8)
      ? random.pick(['', '=', 'GNU.sparse.major', 'GNU.sparse.name', '__proto__', 'x\0y', 'é'])
      : random.pick(PAX_KEYS);
    switch (random.below(10)) {
      case 0:
        return random.bytes(random.below(40));
      case 1: {
        // A length that is not the record's: a longer or shorter one, one with a sign, zeros before it, or none at all.
        const right = record(key, randomName(random, this.#outside));
        const lengths = [
          String(right.length + random.below(20) - 10),
          `0${right.length}`,
          `+${right.length}`,
          '',
          '-1',
          '99999999999',
          '3',
        ];
        const length = lengths[random.below(lengths.length)] ?? '';
        return Buffer.concat([Buffer.from(length), right.subarray(String(right.length).length)]);
      }
      case 2:
        return record(key, Buffer.alloc(random.pick([10, 1000, 5000]), random.pick(['x', '\n', '\0', '='])));
      case 3:
        return record(key, random.bytes(random.below(30)));
      case 4:
        return record(
          key,
          Buffer.from(
            random.pick(['0', '-1', '1', '512', '1e9', '99999999999999999999', '0x10', ' 5', '1.5', 'NaN', '']),
          ),
        );
      case 5:
        return record(key, NOTHING);
      default:
        return record(key, randomName(random, this.#outside));
    }
  }

  #header({ name, type, target, size }: Pick<Fields, 'name' | 'type' | 'target' | 'size'>): void {
    const random = this.#random;
    this.#tape.header({
      name: this.#goesWrong('header') && random.oneIn(4) ? randomName(random, this.#outside) : name,
      type,
      target,
      size,
      mode: this.#mode(),
      mtime: this.#mtime(),
      magic: this.#goesWrong('header')
        ? random.pick(['', 'ustar  \0', 'ustar\0', 'USTAR', 'ustar\x0099', '\xff\xff'])
        : 'ustar\x0000',
      prefix: this.#goesWrong('header') ? randomName(random, this.#outside) : NOTHING,
      end: this.#goesWrong('header') ? random.pick(['tar\0', 'xxxx']) : '',
      checksum: this.#goesWrong('header') && random.oneIn(4) ? random.pick(['wrong', 'blank']) : 'right',
    });
  }

  #mode(): string {
    const { below, pick } = bound(this.#random);
    if (!this.#goesWrong('header'))
      return octal(pick([0o644, 0o600, 0o755, 0o700, 0o444, 0, below(0o10000), below(0o10000)]), 8);
    return pick([
      '7777777',
      '',
      'rwxr-x',
      '4755',
      '-1',
      '\xff\xff\xff\xff\xff\xff\xff\xff',
      '        ',
      '\x80\0\0\0\0\0\x0f\xff',
      '9',
    ]);
  }

  #mtime(): string {
    const { below, pick } = bound(this.#random);
    if (!this.#goesWrong('header')) return octal(1_700_000_000, 12);
    return pick([
      '',
      '           ',
      '77777777777',
      'yesterday',
      '-1',
      '\xff'.repeat(12),
      base256(BigInt(-below(2 ** 31)), 12),
      base256(2n ** BigInt(below(90)), 12),
    ]);
  }
}

function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function bound(random: Random): { below: Random['below']; pick: Random['pick'] } {
  return { below: (end) => random.below(end), pick: (choices) => random.pick(choices) };
}
