// The sealed vault as bytes. Small vaults are gone through whole: every length they can be cut to, every bit of every byte.
// The rest is random: bits and bytes of larger ones, parts of two vaults put together, bytes behind the end, no vault at all.
// Keys come from a table by salt: PBKDF2 for each of a million items would measure OpenSSL.

import { createHmac } from 'node:crypto';

import { TazpodError } from '../lib/errors.ts';
import { saltOf, seal, unseal } from '../lib/seal.ts';
import { Random } from './random.ts';
import type { Stress, StressContext, StressOutcome } from './stress.ts';

/** What may come out of none of these. */
const CANARY = Buffer.from('canary-of-the-plaintext');
const SMALL = [0, 1, 15, 16, 17, 64, 300] as const;
const LARGE = [5000, 70_000] as const;

interface Vault {
  readonly sealed: Buffer;
  readonly plaintext: Buffer;
}

export const bytes: Stress = {
  name: 'bytes',
  summary: 'sealed vaults that were cut, flipped, spliced, extended',
  unit: 'files',
  count: 1_000_000,
  oracle:
    'A file that differs from a vault in any bit is refused with `wrong-passphrase`, with no byte of the plaintext in the error; ' +
    'the whole vault opens to exactly what was sealed. The first items are every truncation and every flipped bit of small vaults.',
  executable: false,
  run,
};

async function run({ count, from, seed, progress, fail }: StressContext): Promise<StressOutcome> {
  const vaults = [...SMALL, ...LARGE].map((length) => newVault(new Random(seed, length), length));
  const exhaustive = vaults.slice(0, SMALL.length).flatMap(everyDefect);
  const figures = { 'every truncation and bit of small vaults': 0, 'random defects': 0, opened: 0, refused: 0 };
  for (let item = from; item < from + count; item++) {
    const make = exhaustive[item];
    const file = make ? make() : randomDefect(new Random(seed, item), vaults);
    figures[make ? 'every truncation and bit of small vaults' : 'random defects'] += 1;
    const whole = vaults.find(({ sealed }) => sealed.equals(file));
    const finding = judge(file, whole?.plaintext);
    if (finding !== undefined) fail(item, `${finding}\n  file: ${file.toString('base64').slice(0, 2000)}`);
    figures[whole ? 'opened' : 'refused'] += 1;
    if (item % 1000 === 0) progress(item - from);
  }
  return { figures };
}

function newVault(random: Random, length: number): Vault {
  const plaintext = Buffer.concat([CANARY, random.bytes(length)]).subarray(0, length);
  const salt = random.bytes(32);
  return { plaintext, sealed: Buffer.concat(seal([Buffer.from(plaintext)], keyOf(salt), salt)) };
}

/** Another key for another salt, as PBKDF2 gives it. */
function keyOf(salt: Buffer): Buffer {
  return createHmac('sha256', 'passphrase').update(salt).digest();
}

function everyDefect({ sealed }: Vault): (() => Buffer)[] {
  return [
    ...Array.from({ length: sealed.length + 1 }, (_, length) => () => sealed.subarray(0, length)),
    ...Array.from({ length: sealed.length * 8 }, (_, bit) => () => flipped(sealed, bit)),
  ];
}

function flipped(sealed: Buffer, bit: number): Buffer {
  const copy = Buffer.from(sealed);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

function randomDefect(random: Random, vaults: readonly Vault[]): Buffer {
  const any = (): Buffer => vaults[random.below(vaults.length)]?.sealed ?? Buffer.alloc(0);
  const sealed = any();
  const at = random.below(sealed.length + 1);
  switch (random.below(7)) {
    case 0:
      return sealed.subarray(0, at);
    case 1:
      return flipped(sealed, random.below(sealed.length * 8));
    case 2:
      return Buffer.concat([sealed, random.bytes(1 + random.below(100))]);
    case 3:
      return Buffer.concat([sealed.subarray(0, at), any().subarray(random.below(100))]);
    case 4:
      return Buffer.concat([random.bytes(1 + random.below(40)), sealed]);
    case 5:
      return Buffer.concat([sealed.subarray(0, at), random.bytes(1 + random.below(30)), sealed.subarray(at)]);
    default:
      return random.bytes(random.below(400));
  }
}

/** What is wrong about how `file` was opened or refused. */
function judge(file: Buffer, plaintext: Buffer | undefined): string | undefined {
  try {
    const opened = unseal(file, keyOf(saltOf(file)));
    if (plaintext === undefined) return 'it was opened';
    return opened.equals(plaintext) ? undefined : 'it was opened to something else';
  } catch (error) {
    if (plaintext !== undefined) return `the whole vault was refused: ${String(error)}`;
    if (!(error instanceof TazpodError) || error.code !== 'wrong-passphrase') return `it ended with ${String(error)}`;
    const words = Buffer.from(JSON.stringify([error.message, error.hint, String(error.cause), error.stack]));
    return words.includes(CANARY) ? 'the error holds plaintext' : undefined;
  }
}
