// The command's environment: the container's bytes, with the operator's account in it.

import { expect, test } from 'vitest';

import { operatorEnvironment } from '../../../entrypoint/environment.ts';

const OPERATOR = { name: 'tazpod', uid: 1000, gid: 1000, groups: [1000], home: '/home/tazpod', shell: '/bin/bash' };
const ACCOUNT = ['HOME=/home/tazpod', 'USER=tazpod', 'LOGNAME=tazpod', 'SHELL=/bin/bash'];

const made = (...entries: (string | Buffer)[]): string[] =>
  operatorEnvironment(
    entries.map((entry) => Buffer.from(entry as string)),
    OPERATOR,
  ).map((entry) => entry.toString('latin1'));

test('the account replaces what the container was given, as often as it was', () => {
  expect(made('HOME=/root', 'USER=root', 'HOME=/again')).toEqual(ACCOUNT);
});

test('everything else stays, byte for byte and in its order', () => {
  const odd = ['PATH=/bin', 'HOMEPAGE=x', '=odd', 'no equals sign', 'TWICE=1', 'TWICE=2', 'home=/mine', 'LINES=a\nb'];
  expect(made(...odd)).toEqual([...odd, ...ACCOUNT]);
  expect(made(Buffer.from([0xff, 0x3d, 0xfe]))).toEqual(['\xff=\xfe', ...ACCOUNT]);
});
