// The one error class: its codes, their exit statuses, and the words that a system's error becomes.

import { readFile } from 'node:fs/promises';
import { openSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

import { errnoName, EXIT_STATUSES, isErrorCode, reasonOf, TazpodError, type ErrorCode } from '../../lib/errors.ts';

/** The table of the README, by hand: a status that changes breaks somebody's script. */
const STATUSES: Record<ErrorCode, number> = {
  unexpected: 1,
  usage: 2,
  configuration: 10,
  'no-passphrase': 11,
  'wrong-passphrase': 12,
  'malformed-archive': 13,
  'refused-entry': 13,
  'too-big': 13,
  conflict: 14,
  'save-failed': 15,
  'cannot-mount': 16,
  unreachable: 17,
  locked: 18,
};

test.each(Object.entries(STATUSES))('%s ends with %i, which the table explains', (code, status) => {
  expect(isErrorCode(code)).toBe(true);
  const { exitStatus } = new TazpodError(code as ErrorCode, 'cannot go on');
  expect(exitStatus).toBe(status);
  expect(EXIT_STATUSES[exitStatus]).not.toBe('');
});

test.each(['', 'toString', 'constructor', 'Usage', 17, null, undefined])('%s is no code', (value) => {
  expect(isErrorCode(value)).toBe(false);
});

test('an error keeps its hint and its cause, and has none where none was given', () => {
  const cause = new Error('below');
  expect(new TazpodError('locked', 'cannot save', { hint: 'unlock', cause })).toMatchObject({
    code: 'locked',
    message: 'cannot save',
    hint: 'unlock',
    cause,
  });
  const bare = new TazpodError('locked', 'cannot save');
  expect(bare.hint).toBeUndefined();
  expect('cause' in bare).toBe(false);
});

describe('of a system call that failed', () => {
  test('the name and the reason are told, without the path', async () => {
    const error: unknown = await readFile('/no/such, file').catch((error: unknown) => error);
    expect(errnoName(error)).toBe('ENOENT');
    expect(reasonOf(error)).toBe('no such file or directory');
    expect(() => openSync('/', 'w')).toThrow(expect.toSatisfy((error) => reasonOf(error).includes('directory')));
  });

  test('nothing is made up for other errors', () => {
    expect(errnoName(new Error('plain'))).toBeUndefined();
    expect(errnoName(Object.assign(new Error('odd'), { code: 'ERR_INVALID_ARG_TYPE' }))).toBeUndefined();
    expect(errnoName('ENOENT')).toBeUndefined();
    expect(reasonOf(new Error('plain'))).toBe('plain');
    expect(reasonOf('thrown as text')).toBe('thrown as text');
  });
});
