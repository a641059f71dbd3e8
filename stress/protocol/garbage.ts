// Lines that are no requests, or hardly: none of them may change a thing. What could (`open`, `save`, `close`) is not made here.

import { MAX_BASELINE_LENGTH, MAX_LINE_BYTES } from '../../lib/protocol.ts';
import type { Random } from '../random.ts';

const VERSIONS = [
  '0',
  '2',
  '-1',
  '1.5',
  '1e999',
  '"1"',
  'null',
  'true',
  '[]',
  '[1]',
  '{}',
  '{"toString":1,"valueOf":1}',
  '1',
] as const;
const OPS = [
  '"status"',
  '"saved"',
  '"commit"',
  '"format"',
  '"__proto__"',
  '"constructor"',
  '"toString"',
  '""',
  '1',
  'null',
  '{}',
  '["status"]',
] as const;
const BASELINES = [
  ...(['1', 'null', '{}', '[]', 'true', '""', '"\\ud800"', '"\\u0000"'] as const),
  JSON.stringify('x'.repeat(MAX_BASELINE_LENGTH)),
  JSON.stringify('x'.repeat(MAX_BASELINE_LENGTH + 1)),
] as const;
const KEYS = [
  '"v":1',
  '"op":"status"',
  '"__proto__":{"v":1,"op":"status"}',
  '"constructor":1',
  '"":""',
  '"v":2',
  '"op":"saved"',
] as const;

/** A line without its newline; it has none within. */
export function garbage(random: Random): Buffer {
  return withoutNewlines(line(random));
}

function line(random: Random): Buffer {
  switch (random.below(10)) {
    case 0:
      return random.bytes(random.below(200));
    case 1:
      return Buffer.from(damaged(random, '{"v":1,"op":"status"}'), 'latin1');
    case 2:
      return Buffer.from(`{"v":${random.pick(VERSIONS)},"op":${random.pick(OPS)}}`);
    case 3:
      return Buffer.from(`{"v":1,"op":"${random.pick(['saved', 'commit'])}","baseline":${random.pick(BASELINES)}}`);
    case 4:
      return Buffer.from(`{${Array.from({ length: random.below(5) }, () => random.pick(KEYS)).join(',')}}`);
    case 5:
      return deep(random);
    case 6:
      return Buffer.from(
        random.pick([
          '',
          ' ',
          '\r',
          '\0',
          '[]',
          'null',
          '1',
          '"status"',
          '\ufeff{"v":1,"op":"status"}',
          '{"v":1,"op":"status"}\r',
        ]),
      );
    case 7:
      return random.oneIn(4) ? long(random) : Buffer.from('{"v":1,"op":"status"}');
    case 8:
      return Buffer.from(`{"v":1,"op":${JSON.stringify(random.bytes(random.below(40)).toString('latin1'))}}`);
    default:
      return Buffer.from('{"v":1,"op":"status"}');
  }
}

function deep(random: Random): Buffer {
  const depth = random.pick([10, 1000, 8000]);
  const opened = random.pick(['[', '{"a":', '[[],']).repeat(depth).slice(0, 16_000);
  return Buffer.from(random.oneIn(2) ? opened : `{"v":${'['.repeat(depth / 2)}${']'.repeat(depth / 2)},"op":"status"}`);
}

/** At the limit, or far beyond it. */
function long(random: Random): Buffer {
  const length = random.pick([
    MAX_LINE_BYTES - 2,
    MAX_LINE_BYTES - 1,
    MAX_LINE_BYTES,
    MAX_LINE_BYTES + 1,
    100_000,
    1_000_000,
  ]);
  if (random.oneIn(2)) return Buffer.alloc(length, random.pick(['x', '{', '\0', ' ']));
  const around = '{"v":"","op":"status"}'.length;
  return Buffer.from(`{"v":"${'x'.repeat(Math.max(0, length - around))}","op":"status"}`);
}

function damaged(random: Random, text: string): string {
  const bytes = Buffer.from(text);
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  }
  return bytes.toString('latin1');
}

function withoutNewlines(line: Buffer): Buffer {
  return line.includes(0x0a) ? Buffer.from(line.map((byte) => (byte === 0x0a ? 0x20 : byte))) : line;
}
