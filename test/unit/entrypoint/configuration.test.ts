// Every variable of the table: what it may be, and what it may not.

import { describe, expect, test } from 'vitest';

import { readConfiguration, type Configuration } from '../../../entrypoint/configuration.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

const DEFAULTS: Configuration = {
  passphraseFile: undefined,
  unlock: 'auto',
  user: undefined,
  enclaveSize: 64 * MIB,
  autosave: true,
  autolock: 'off',
  stopSignals: undefined,
  stopTimeout: 5000,
  hookTimeout: 10_000,
  rescueDirectory: undefined,
  logLevel: 'info',
  logFormat: 'auto',
};

const read = (name: string, value: string): Configuration => readConfiguration({ [name]: value }, false);

test('without variables everything is as documented', () => {
  expect(readConfiguration({ PATH: '/bin' }, false)).toEqual(DEFAULTS);
});

test.each<[string, string, Partial<Configuration>]>([
  ['TAZPOD_ENCLAVE_SIZE', '64k', { enclaveSize: 64 * KIB }],
  ['TAZPOD_ENCLAVE_SIZE', '65536', { enclaveSize: 64 * KIB }],
  ['TAZPOD_ENCLAVE_SIZE', '128M', { enclaveSize: 128 * MIB }],
  ['TAZPOD_ENCLAVE_SIZE', '128mb', { enclaveSize: 128 * MIB }],
  ['TAZPOD_ENCLAVE_SIZE', '64g', { enclaveSize: 64 * GIB }],
  ['TAZPOD_STOP_TIMEOUT', '5', { stopTimeout: 5000 }],
  ['TAZPOD_STOP_TIMEOUT', '0', { stopTimeout: 0 }],
  ['TAZPOD_STOP_TIMEOUT', '1.5s', { stopTimeout: 1500 }],
  ['TAZPOD_STOP_TIMEOUT', '250ms', { stopTimeout: 250 }],
  ['TAZPOD_STOP_TIMEOUT', '2m', { stopTimeout: 120_000 }],
  ['TAZPOD_STOP_TIMEOUT', 'off', { stopTimeout: undefined }],
  ['TAZPOD_HOOK_TIMEOUT', '500ms', { hookTimeout: 500 }],
  ['TAZPOD_STOP_SIGNAL', 'TERM', { stopSignals: new Set([15]) }],
  ['TAZPOD_STOP_SIGNAL', 'SIGTERM,int', { stopSignals: new Set([15, 2]) }],
  ['TAZPOD_STOP_SIGNAL', 'RTMIN+3 10', { stopSignals: new Set([37, 10]) }],
  ['TAZPOD_UNLOCK', 'required', { unlock: 'required' }],
  ['TAZPOD_AUTOSAVE', 'off', { autosave: false }],
  ['TAZPOD_AUTOLOCK', 'last-shell', { autolock: 'last-shell' }],
  ['TAZPOD_USER', 'developer', { user: 'developer' }],
  ['TAZPOD_RESCUE_DIR', '/rescue', { rescueDirectory: '/rescue' }],
  ['TAZPOD_LOG_LEVEL', 'silent', { logLevel: 'silent' }],
  ['TAZPOD_LOG_FORMAT', 'json', { logFormat: 'json' }],
  ['TAZPOD_PASSPHRASE_FILE', '/run/secrets/p', { passphraseFile: '/run/secrets/p' }],
])('%s=%s is understood', (name, value, expected) => {
  expect(read(name, value)).toEqual({ ...DEFAULTS, ...expected });
});

describe('a bad value is refused, and its variable named', () => {
  const bad: Record<string, string[]> = {
    TAZPOD_ENCLAVE_SIZE: [
      '64x',
      '-1',
      '0',
      '63k',
      '65g',
      'lots',
      '1e9',
      '64 m',
      '64m\n',
      '0x10000',
      '999999999999999g',
      '٦٤m',
    ],
    TAZPOD_STOP_TIMEOUT: ['5 s', '-1s', 'soon', '5h', '1e3', '99999999m', '5s\n', '.5s', 'OFF', 'Infinity'],
    TAZPOD_HOOK_TIMEOUT: ['off', '1h', '-1'],
    TAZPOD_STOP_SIGNAL: ['NOTHING', 'TERM,', ',', '0', '65', '-1', 'TERM;INT', 'RTMIN+31', 'toString'],
    TAZPOD_UNLOCK: ['yes', 'Auto', 'auto ', 'constructor'],
    TAZPOD_AUTOSAVE: ['true', 'ON', '1', 'toString', '__proto__'],
    TAZPOD_AUTOLOCK: ['on', 'last', 'Last-shell', 'constructor'],
    TAZPOD_RESCUE_DIR: ['relative/path', '~/rescue'],
    TAZPOD_LOG_LEVEL: ['loud', 'INFO', 'toString'],
    TAZPOD_LOG_FORMAT: ['xml', 'JSON'],
  };
  const rows = Object.entries(bad).flatMap(([name, values]) => values.map((value) => [name, value] as const));

  test.each(rows)('%s=%j', (name, value) => {
    expect(() => read(name, value)).toThrow(
      expect.objectContaining({ code: 'configuration', message: expect.stringContaining(name) }),
    );
  });

  test('with all the others at once', () => {
    const environment = Object.fromEntries(Object.entries(bad).map(([name, [value]]) => [name, value]));
    for (const name of Object.keys(bad)) expect(() => readConfiguration(environment, false)).toThrow(name);
  });
});

test('an empty variable counts as not given', () => {
  const names = [
    'PASSPHRASE_FILE',
    'UNLOCK',
    'USER',
    'ENCLAVE_SIZE',
    'AUTOSAVE',
    'AUTOLOCK',
    'STOP_SIGNAL',
    'STOP_TIMEOUT',
  ];
  expect(readConfiguration(Object.fromEntries(names.map((name) => [`TAZPOD_${name}`, ''])), false)).toEqual(DEFAULTS);
});

test('two passphrases are one too many', () => {
  const file = { TAZPOD_PASSPHRASE_FILE: '/run/secrets/p' };
  expect(() => readConfiguration(file, true)).toThrow('both set');
  expect(readConfiguration({}, true)).toEqual(DEFAULTS);
});
