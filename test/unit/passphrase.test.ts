import { expect, test } from 'vitest';

import { passphraseFromFile, wipe } from '../../lib/passphrase.ts';

test.each([
  ['hunter2\n', 'hunter2'],
  ['hunter2', 'hunter2'],
  ['hunter2\n\n', 'hunter2\n'],
  ['hunter2\r\n', 'hunter2\r'],
  [' hunter2 \n', ' hunter2 '],
  ['\n', ''],
  ['', ''],
])('a file with %j holds the passphrase %j', (contents, passphrase) => {
  expect(passphraseFromFile(Buffer.from(contents)).toString()).toBe(passphrase);
});

test('bytes that are no text stay as they are', () => {
  const contents = Buffer.from([0xff, 0x00, 0xfe, 0x0a]);
  expect(passphraseFromFile(contents)).toEqual(Buffer.from([0xff, 0x00, 0xfe]));
});

test('a wiped file leaves nothing of the passphrase', () => {
  const contents = Buffer.from('hunter2\n');
  const passphrase = passphraseFromFile(contents);
  wipe(contents);
  expect(passphrase).toEqual(Buffer.alloc(7));
});
