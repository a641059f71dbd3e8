// The configuration: the TAZPOD_* variables of DESIGN's table, each checked, all faults told at once.
// Nothing is started while one of them is bad.

import { TazpodError } from '../lib/errors.ts';
import { LOG_LEVELS, type LogFormat, type LogLevel } from './log.ts';
import { signalNumber } from './signals.ts';

export type UnlockMode = 'auto' | 'prompt' | 'never' | 'required';
export type AutolockMode = 'off' | 'last-shell';

export interface Configuration {
  /** Path of a file with the passphrase. */
  readonly passphraseFile: string | undefined;
  readonly unlock: UnlockMode;
  /** undefined: the default account, which becomes the workspace's owner. */
  readonly user: string | undefined;
  /** Bytes. */
  readonly enclaveSize: number;
  readonly autosave: boolean;
  readonly autolock: AutolockMode;
  /** undefined: TERM, and INT where there is no terminal. */
  readonly stopSignals: ReadonlySet<number> | undefined;
  /** Milliseconds; undefined: never escalate. */
  readonly stopTimeout: number | undefined;
  /** Milliseconds that each hook may take. */
  readonly hookTimeout: number;
  readonly rescueDirectory: string | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat | 'auto';
}

const UNITS = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 } as const;
const SWITCH: ReadonlyMap<string, boolean> = new Map([
  ['on', true],
  ['off', false],
]);
const DEFAULT_STOP_TIMEOUT: { milliseconds: number | undefined } = { milliseconds: 5000 };
/** What TAZPOD_USER says where it is meant to say what it does without. */
const FOLLOW_WORKSPACE = 'auto';
const DEFAULT_HOOK_TIMEOUT = 10_000; // ms
const SMALLEST_ENCLAVE = 2 ** 16;
const LARGEST_ENCLAVE = 2 ** 36;

/**
 * Reads the configuration.
 * @param passphraseGiven whether TAZPOD_PASSPHRASE was set (its value is not here any more)
 * @throws TazpodError `configuration` that names every bad variable
 */
export function readConfiguration(
  environment: Readonly<Record<string, string | undefined>>,
  passphraseGiven: boolean,
): Configuration {
  const faults: string[] = [];
  /** An empty variable counts as not set: compose files pass `NAME=${NAME}` on. */
  const value = (name: string): string | undefined => environment[name] || undefined;
  const read = <T>(name: string, fallback: T, parse: (text: string) => T | undefined, expected: string): T => {
    const text = value(name);
    if (text === undefined) return fallback;
    const parsed = parse(text);
    if (parsed !== undefined) return parsed;
    faults.push(`${name}=${JSON.stringify(text)}: expected ${expected}`);
    return fallback;
  };
  const oneOf =
    <const T extends string>(...words: readonly T[]) =>
    (text: string): T | undefined =>
      words.find((word) => word === text);

  const configuration: Configuration = {
    passphraseFile: value('TAZPOD_PASSPHRASE_FILE'),
    unlock: read(
      'TAZPOD_UNLOCK',
      'auto',
      oneOf('auto', 'prompt', 'never', 'required'),
      'auto, prompt, never or required',
    ),
    user: value('TAZPOD_USER') === FOLLOW_WORKSPACE ? undefined : value('TAZPOD_USER'),
    enclaveSize: read('TAZPOD_ENCLAVE_SIZE', 64 * UNITS.m, parseSize, 'a size from 64k to 64g, such as 64m'),
    autosave: read('TAZPOD_AUTOSAVE', true, (text) => SWITCH.get(text), 'on or off'),
    autolock: read('TAZPOD_AUTOLOCK', 'off', oneOf('off', 'last-shell'), 'off or last-shell'),
    stopSignals: read('TAZPOD_STOP_SIGNAL', undefined, parseSignals, 'signals, such as TERM or TERM,INT'),
    stopTimeout: read(
      'TAZPOD_STOP_TIMEOUT',
      DEFAULT_STOP_TIMEOUT,
      parseTimeout,
      'a duration such as 5s or 500ms, or off',
    ).milliseconds,
    hookTimeout: read(
      'TAZPOD_HOOK_TIMEOUT',
      DEFAULT_HOOK_TIMEOUT,
      (text) => parseTimeout(text)?.milliseconds,
      'a duration such as 10s or 500ms',
    ),
    rescueDirectory: read(
      'TAZPOD_RESCUE_DIR',
      undefined,
      (text) => (text.startsWith('/') ? text : undefined),
      'an absolute path',
    ),
    logLevel: read('TAZPOD_LOG_LEVEL', 'info', parseLevel, Object.keys(LOG_LEVELS).join(', ')),
    logFormat: read('TAZPOD_LOG_FORMAT', 'auto', oneOf('auto', 'json', 'pretty'), 'auto, json or pretty'),
  };
  if (passphraseGiven && configuration.passphraseFile !== undefined) {
    faults.push('TAZPOD_PASSPHRASE and TAZPOD_PASSPHRASE_FILE are both set: expected one of them');
  }
  if (faults.length > 0) {
    throw new TazpodError('configuration', `cannot start with this configuration: ${faults.join('; ')}`, {
      hint: 'nothing was started; mend the environment that the container is started with',
    });
  }
  return configuration;
}

/** Bytes of `64m`, `65536`, `1G`; the units are powers of 1024, as tmpfs(5) and docker read them. */
function parseSize(text: string): number | undefined {
  const [, digits, unit] = /^([0-9]{1,12})([kmg]?)b?$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const size = Number(digits) * UNITS[(unit ?? '').toLowerCase() as keyof typeof UNITS];
  return size >= SMALLEST_ENCLAVE && size <= LARGEST_ENCLAVE ? size : undefined;
}

function parseTimeout(text: string): { milliseconds: number | undefined } | undefined {
  if (text === 'off') return { milliseconds: undefined };
  const [, digits, unit] = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m)?$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const milliseconds = Number(digits) * { ms: 1, s: 1000, m: 60_000 }[(unit ?? 's') as 'ms' | 's' | 'm'];
  // setTimeout(3) of Node takes 31 bits.
  return milliseconds < 2 ** 31 ? { milliseconds } : undefined;
}

function parseSignals(text: string): ReadonlySet<number> | undefined {
  const signals = text.split(/[\s,]+/).map(signalNumber);
  return signals.every((signal) => signal !== undefined) ? new Set(signals) : undefined;
}

function parseLevel(text: string): LogLevel | undefined {
  return Object.hasOwn(LOG_LEVELS, text) ? (text as LogLevel) : undefined;
}
