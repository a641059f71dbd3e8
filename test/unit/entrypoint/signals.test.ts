// Names and numbers of signals (signal(7)), which of them an init forwards, and who is asked about one that has come.

import { constants } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';

import { FORWARDED, signalName, signalNumber } from '../../../entrypoint/signals.ts';

test.each<[string, number | undefined]>([
  ['TERM', 15],
  ['SIGTERM', 15],
  ['sigterm', 15],
  ['15', 15],
  ['RTMIN', 34],
  ['SIGRTMIN+30', 64],
  ['64', 64],
  ['POLL', 29],
  ['IOT', 6],
  ['', undefined],
  ['SIG', undefined],
  ['0', undefined],
  ['65', undefined],
  ['015x', undefined],
  ['RTMIN+31', undefined],
  ['RTMIN-1', undefined],
  ['TERM ', undefined],
  ['hasOwnProperty', undefined],
])('%j is %s', (text, number) => {
  expect(signalNumber(text)).toBe(number);
});

test('a name that is shown can be given', () => {
  for (const signal of FORWARDED) expect(signalNumber(signalName(signal))).toBe(signal);
  expect(signalName(constants.signals.SIGABRT)).toBe('SIGABRT');
  expect(signalName(constants.signals.SIGIO)).toBe('SIGIO');
  expect(signalName(37)).toBe('SIGRTMIN+3');
});

test('all are forwarded but faults, the two that cannot be caught, and what is about ourselves', () => {
  const { SIGABRT, SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP, SIGSYS, SIGTRAP, SIGTTIN, SIGTTOU } =
    constants.signals;
  const others = [
    SIGABRT,
    SIGBUS,
    SIGCHLD,
    SIGFPE,
    SIGILL,
    SIGKILL,
    SIGSEGV,
    SIGSTOP,
    SIGSYS,
    SIGTRAP,
    SIGTTIN,
    SIGTTOU,
  ];
  const reserved = [32, 33]; // nptl(7)
  const all = Array.from({ length: 64 }, (_, index) => index + 1);
  expect(FORWARDED).toEqual(all.filter((signal) => !others.includes(signal) && !reserved.includes(signal)));
});

test('what is caught is relayed in the moment it arrives, unless it waits for somebody who takes it', async () => {
  const program = join(import.meta.dirname, '../../fixtures/catch-signals.ts');
  const { stdout } = await execa('node', ['--disable-sigusr1', program], { preferLocal: true });
  expect(JSON.parse(stdout)).toEqual(['signal SIGHUP', 'relay SIGUSR1', 'relay SIGUSR2', 'signal SIGUSR2']);
});
