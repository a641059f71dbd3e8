// Command lines and environments of both programs, from a grammar: mostly words that mean something, often in the wrong place,
// with values that are right, nearly right, empty, endless, or no text at all.

import type { Random } from '../random.ts';

const words = (text: string): readonly string[] => text.split(' ');

const INIT_FLAGS = words(
  '-s -g -v -vvv -w -l -h -p -e -sg -gp -eTERM -e5 -pTERM -p9 --version --help -- - -x -é --unknown -vvvvvvvvvv',
);
const SIGNALS = words(
  'TERM SIGTERM term 15 0 65 -1 RTMIN RTMIN+3 RTMIN+99 KILL CHLD 1e1 0x9 TERM,INT ,, __proto__ constructor',
);
const STATUSES = words('0 1 255 256 -1 1000 007 1.5 x 00000000001');
const TOOL_WORDS = words(
  'unlock lock save status doctor passwd run completion help vault create list extract verify bash zsh fish unlok --json --quiet -q --help -h --version ' +
    '--passphrase-file --passphrase-fd --max-size --discard --kill --unlocked --control-fd --json=1 --max-size=64m --max-size= -- - a b ./a /nowhere 3 0 64m 1g -1 1e9 __proto__ constructor --__proto__ --constructor',
);
const VALUES: Readonly<Record<string, readonly string[]>> = {
  TAZPOD_PASSPHRASE_FILE: words('/nowhere /dev/null / . relative /proc/self/mem'),
  TAZPOD_UNLOCK: words('auto prompt never required AUTO yes constructor'),
  TAZPOD_USER: words('tazpod root 0 1000 4294967295 4294967296 -1 nobody no-such-user constructor __proto__ a:b ../x'),
  TAZPOD_ENCLAVE_SIZE: words('64m 65536 65535 1 64g 65g 1G 1M 1Kb 999999999999g 0 -1 1.5m 1e9 64mm NaN Infinity'),
  TAZPOD_AUTOSAVE: words('on off ON true 1 constructor __proto__ toString'),
  TAZPOD_AUTOLOCK: words('off last-shell LAST-SHELL on constructor __proto__ toString'),
  TAZPOD_STOP_SIGNAL: [...SIGNALS, 'TERM INT', 'TERM,  INT', 'TERM,NOPE'],
  TAZPOD_STOP_TIMEOUT: words('5s 500ms off 0 0s 1m 1.5s 1.0005 999999999m 2147483647ms 2147483648ms -1s 1h 5S .5'),
  TAZPOD_HOOK_TIMEOUT: words('10s 500ms off 0 1h -1'),
  TAZPOD_RESCUE_DIR: words('/var/lib/x relative / //x /proc'),
  TAZPOD_LOG_LEVEL: words(
    'info fatal error warn debug trace silent INFO toString __proto__ constructor hasOwnProperty',
  ),
  TAZPOD_LOG_FORMAT: words('json pretty auto JSON constructor'),
  TINI_SUBREAPER: ['', '1', 'no'],
  TINI_KILL_PROCESS_GROUP: ['', '1'],
  TINI_VERBOSITY: words('0 1 2 3 99 100 -1 x 1.5 01'),
};

/** Flags of PID 1, without a command. */
export function initWords(random: Random): string[] {
  return Array.from({ length: random.below(6) }, () => {
    switch (random.below(8)) {
      case 0:
        return anyOf(random, SIGNALS);
      case 1:
        return anyOf(random, STATUSES);
      case 2:
        return odd(random);
      default:
        return anyOf(random, INIT_FLAGS);
    }
  });
}

export function toolWords(random: Random): string[] {
  return Array.from({ length: random.below(8) }, () => (random.oneIn(12) ? odd(random) : anyOf(random, TOOL_WORDS)));
}

/** Of the variables that the programs know. */
export function environment(random: Random): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, values] of Object.entries(VALUES)) {
    if (random.oneIn(4)) variables[name] = random.oneIn(8) ? odd(random) : anyOf(random, values);
  }
  return variables;
}

/** Whatever a word can be: anything but a NUL. */
function odd(random: Random): string {
  switch (random.below(7)) {
    case 0:
      return '';
    case 1:
      return random.pick(['-', '--', '=', '-=', '--=x', ' ', '\n', '\t', "'", '"', '$(x)', '%s', '\\']);
    case 2:
      return random.pick(['x', '9', '-', '=', 'é', '\u202e']).repeat(1 + random.below(5000));
    case 3:
      return String.fromCodePoint(1 + random.below(0x24f));
    case 4:
      return `${anyOf(random, TOOL_WORDS)}${random.pick(['=', '=x', ' ', '\n', '9'])}`;
    case 5:
      return `-${String.fromCodePoint(0x21 + random.below(0x5e)).repeat(1 + random.below(3))}`;
    default:
      return Array.from({ length: random.below(12) }, () => String.fromCodePoint(0x20 + random.below(0x60))).join('');
  }
}

function anyOf(random: Random, choices: readonly string[]): string {
  return choices[random.below(choices.length)] ?? '';
}
