import { expect, test } from 'vitest';

import { nearest } from '../../../cli/nearest.ts';

const VERBS = ['unlock', 'lock', 'save', 'status', 'vault list'];

test.for([
  ['lcok', 'lock'],
  ['unlok', 'unlock'],
  ['sav', 'save'],
  ['stat', 'status'],
  ['statis', 'status'],
  ['vault ls', 'vault list'],
  ['st', 'status'],
  ['vault', 'vault list'],
] as const)('%s is meant to be %s', ([word, meant]) => {
  expect(nearest(word, VERBS)).toBe(meant);
});

test('the first of those that a word begins is meant, though another is fewer letters away', () => {
  expect(nearest('--passphrase', ['--passphrase-file', '--passphrase-fd'])).toBe('--passphrase-file');
});

test.for(['frobnicate', 'xyz', '-l', 'sv'.repeat(5)])('%s is near nothing', (word) => {
  expect(nearest(word, VERBS)).toBeUndefined();
});
