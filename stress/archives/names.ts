// Names and link targets of hostile archives: few of each kind, so that entries of one archive meet each other, and all the
// ways in which a name can mean something else than it seems to.

import type { Random } from '../random.ts';

const words = (text: string): readonly string[] => text.split('|');

const PLAIN = words('a|b|a/b|a/b/c|d/e/f|d|f|l|m|l/x|m/x|a/l|a/m|d/l|d/e/l|a/b/l');

/** Names by the type of entry that they go to where an archive is at peace with itself. */
const TIDY: ReadonlyMap<string, readonly string[]> = new Map([
  ['5', words('a|a/b|d|d/e|./a/|g//h')],
  ['2', words('l|m|a/l|a/m|d/l|d/e/l|a/b/l')],
  ['1', words('h|a/h|d/h|i|a/b/i')],
]);
const TIDY_FILES = words('b|f|a/c|a/b/c|d/e/f|.aws/credentials|a/\u00f1|-rf');

const ODD = [
  '|.|./|..|../|/|//|///a|./a|.//a|a/|a//|a//b|a/./b|a/b/|./.|l/|...|.. | ..|~|-rf|a\n|\x1b[2J|a\0b|\0|a/\0/../..',
  '../outside/file|../outside|a/../b|a/../../outside/file|l/../x|./../outside/file|..//..|a/..|..\\outside|C:\\x|enclave|../enclave/x',
  '.aws|.aws/|.aws/credentials|./.aws|.//.aws/|.aws/l|.vault_pass|./.vault_pass|.vault_pass/x|.vault_pass/../../outside/file|a/.vault_pass',
  'n\u0303|\u00f1|\u202egpj|__proto__|constructor|a/__proto__/b|toString|/etc/passwd|/proc/self/cwd/x|/dev/null',
].flatMap(words);

const TARGETS = [
  'a|b|a/b|a/b/c|d|f|l|m|a/l|a/m|d/l|./a|a/|no/such|l/x|m/x|../a|../l|.vault_pass|.aws|.aws/x|__proto__|constructor',
  '.|..|../..|../../..|a/..|a/../..|a/b/../..|a/b/../../..|l/..|m/..|l/../..|a/l/../m|d/l/../../..|l/m/..|../l/..',
  'no/such/../..|no/../../x|./..|..//|a//..|a/./..|../../a/b|a/b/../c|../../../../../../../../etc/passwd',
  '|/|//|/etc/passwd|/proc/self/root|/proc/self/cwd|../outside/file|../outside|a\0|\0',
].flatMap(words);

/** A name that suits the entry's type. */
export function tidyName(random: Random, type: string): Buffer {
  const names = TIDY.get(type) ?? TIDY_FILES;
  return Buffer.from(names[random.below(names.length)] ?? 'a');
}

/** A name for an entry; `outside` is a path that exists on this machine and is none of the archive's business. */
export function randomName(random: Random, outside: string): Buffer {
  switch (random.below(16)) {
    case 0:
      return longName(random);
    case 1:
      return random.bytes(random.below(20));
    case 2:
      return joined(random, PLAIN.concat('..', '.', ''), 5);
    case 3:
    case 4:
    case 5:
      return Buffer.from(ODD[random.below(ODD.length)] ?? '');
    case 6:
      return random.oneIn(4) ? Buffer.from(`${outside}/file`) : plainName(random);
    default:
      return plainName(random);
  }
}

export function plainName(random: Random): Buffer {
  return Buffer.from(PLAIN[random.below(PLAIN.length)] ?? 'a');
}

export function randomTarget(random: Random, outside: string): Buffer {
  switch (random.below(12)) {
    case 0:
      return longName(random);
    case 1:
      return random.bytes(random.below(20));
    case 2:
    case 3:
      return joined(random, ['..', '..', '.', 'a', 'l', 'm', 'd', ''], 7);
    case 4:
      return Buffer.from(outside + random.pick(['', '/file', '/../outside/file', '/link']));
    case 5:
      return Buffer.from(
        random.pick(['l', 'm', 'a/l', 'd/l', 'a', 'a/b']) +
          '/..'.repeat(1 + random.below(3)) +
          random.pick(['', '/f', '/d']),
      );
    default:
      return Buffer.from(TARGETS[random.below(TARGETS.length)] ?? '');
  }
}

function joined(random: Random, parts: readonly string[], most: number): Buffer {
  const count = 1 + random.below(most);
  return Buffer.from(Array.from({ length: count }, () => parts[random.below(parts.length)] ?? '').join('/'));
}

/** Around the limits of the header's fields, of Linux, and of ours. */
function longName(random: Random): Buffer {
  const fill = random.pick(['n', 'n', '\xff', '\n', 'é', '.']);
  switch (random.below(7)) {
    case 0:
      return Buffer.from(fill.repeat(random.pick([98, 99, 100, 101, 155, 254, 255, 256, 257])), 'latin1');
    case 1:
      return Buffer.from('d/'.repeat(1 + random.below(60)) + fill, 'latin1');
    case 2:
      return Buffer.from(
        'd/'.repeat(random.oneIn(30) ? random.pick([2046, 2047, 2048]) : random.below(10)) + fill,
        'latin1',
      );
    case 3:
      return Buffer.from(`${fill.repeat(200)}/`.repeat(random.pick([1, 2, 19, 20, 21, 50])), 'latin1');
    case 4:
      return Buffer.from(random.pick(['./', '/', 'd/../', '../']).repeat(1 + random.below(2000)) + fill, 'latin1');
    case 5:
      return Buffer.from(fill.repeat(10_000), 'latin1');
    default:
      return Buffer.from(fill.repeat(1 + random.below(300)), 'latin1');
  }
}
