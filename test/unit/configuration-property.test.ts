// Whatever the command line and the environment: taken, or refused by an error that says so. The long runs are in stress/.

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { parseCommandLine } from '../../cli/command-line.ts';
import { PassphraseLine } from '../../cli/passphrase-line.ts';
import { parseSize } from '../../cli/size.ts';
import { parseArguments } from '../../entrypoint/arguments.ts';
import { readConfiguration } from '../../entrypoint/configuration.ts';

const NAMES = [
  'PASSPHRASE_FILE',
  'UNLOCK',
  'USER',
  'ENCLAVE_SIZE',
  'AUTOSAVE',
  'AUTOLOCK',
  'STOP_SIGNAL',
  'STOP_TIMEOUT',
  'HOOK_TIMEOUT',
  'RESCUE_DIR',
  'LOG_LEVEL',
  'LOG_FORMAT',
].map((name) => `TAZPOD_${name}`);
const value = fc.oneof(
  fc.constantFrom(
    '64m',
    '5s',
    'off',
    'on',
    'TERM,INT',
    'never',
    '/x',
    'info',
    '__proto__',
    'constructor',
    'toString',
    '',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const word = fc.oneof(
  fc.constantFrom(
    '-s',
    '-e',
    '-p',
    '-vv',
    '--',
    '-',
    '--version',
    'TERM',
    '5',
    'vault',
    'list',
    'unlock',
    '--json',
    '-q',
  ),
  fc.constantFrom('--max-size', '--max-size=1', '--passphrase-file', '__proto__', '--constructor', '--__proto__=x'),
  fc.string({ unit: 'binary', maxLength: 10 }),
);

test('an environment gives a configuration within its bounds, or one error of ours', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...NAMES), value), fc.boolean(), (environment, isPassphraseGiven) => {
      const outcome = outcomeOf(() => readConfiguration(environment, isPassphraseGiven));
      expect(codeOf(outcome)).toBeOneOf([undefined, 'configuration']);
      if (outcome instanceof Error) return;
      const { enclaveSize, stopTimeout = 0, stopSignals = [] } = outcome;
      const isSizeSound = enclaveSize >= 2 ** 16 && enclaveSize <= 2 ** 36;
      return (
        isSizeSound && stopTimeout >= 0 && stopTimeout < 2 ** 31 && [...stopSignals].every((n) => n > 0 && n <= 64)
      );
    }),
    { numRuns: 1000 },
  );
});

test('flags of PID 1 are taken, the rest untouched as the command, or refused as usage', () => {
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 6 }),
      fc.dictionary(fc.constant('TINI_VERBOSITY'), value),
      (words, variables) => {
        const bytes = words.map((text) => Buffer.from(text));
        const outcome = outcomeOf(() => parseArguments(bytes, variables));
        expect(codeOf(outcome)).toBeOneOf([undefined, 'UsageError']);
        if (outcome instanceof Error) return;
        const { command } = outcome;
        expect(command).toEqual(bytes.slice(bytes.length - command.length));
      },
    ),
    { numRuns: 1000 },
  );
});

test('a command line of tazpod is taken, or refused as usage', () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const outcome = outcomeOf(() => parseCommandLine(words));
      expect(codeOf(outcome)).toBeOneOf([undefined, 'usage']);
    }),
    { numRuns: 1000 },
  );
});

test('a size is a whole number of bytes, at least one, or none at all', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        value,
        fc.tuple(fc.bigInt({ min: 0n }), fc.constantFrom('', 'k', 'M', 'g', 't')).map((parts) => parts.join('')),
      ),
      (text) => {
        const size = parseSize(text) ?? 1;
        expect(Number.isSafeInteger(size) && size > 0).toBe(true);
      },
    ),
  );
});

test('whatever is typed as a passphrase, the line stays within its bounds, and keeps no byte that was taken back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), (typed) => {
      using line = new PassphraseLine();
      for (const byte of typed) line.type(byte);
      expect(line.copy().length).toBeLessThanOrEqual(1024);
      line.type(0x15);
      expect(line.copy()).toHaveLength(0);
    }),
  );
});

/** Of an error: the code of ours, the name of another. */
function codeOf(outcome: unknown): unknown {
  if (!(outcome instanceof Error)) return undefined;
  return 'code' in outcome ? outcome.code : outcome.name;
}

function outcomeOf<T>(work: () => T): T | Error {
  try {
    return work();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
