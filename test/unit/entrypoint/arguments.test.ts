// tini's flags, as its own parser (getopt with "+") takes them, and what is none of them.

import { describe, expect, test } from 'vitest';

import { parseArguments, UsageError, type Arguments } from '../../../entrypoint/arguments.ts';

const parse = (words: readonly (string | Buffer)[], environment: Readonly<Record<string, string>> = {}): Arguments =>
  parseArguments(
    words.map((word) => Buffer.from(word as string)),
    environment,
  );

const commandOf = (words: readonly (string | Buffer)[]): string[] =>
  parse(words).command.map((word) => word.toString('latin1'));

test('without flags everything is the command', () => {
  expect(parse(['ls', '-l'])).toEqual({
    command: [Buffer.from('ls'), Buffer.from('-l')],
    subreaper: false,
    group: false,
    parentDeathSignal: undefined,
    remapped: new Set(),
    warnReaped: false,
    verbosity: 1,
    print: undefined,
  });
});

describe('flags', () => {
  test.each<[string[], Partial<Arguments>]>([
    [['-s'], { subreaper: true }],
    [['-g'], { group: true }],
    [['-w'], { warnReaped: true }],
    [['-v'], { verbosity: 2 }],
    [['-v', '-v'], { verbosity: 3 }],
    [['-vv'], { verbosity: 3 }],
    [['-sgw'], { subreaper: true, group: true, warnReaped: true }],
    [['-p', 'SIGKILL'], { parentDeathSignal: 9 }],
    [['-p', 'term'], { parentDeathSignal: 15 }],
    [['-p9'], { parentDeathSignal: 9 }],
    [['-sp', '9'], { subreaper: true, parentDeathSignal: 9 }],
    [['-e', '143'], { remapped: new Set([143]) }],
    [['-e143', '-e', '0'], { remapped: new Set([143, 0]) }],
    [['-ge255'], { group: true, remapped: new Set([255]) }],
    [['-h'], { print: 'help' }],
    [['--help'], { print: 'help' }],
    [['-l'], { print: 'license' }],
    [['--version'], { print: 'version' }],
  ])('%j are understood', (words, expected) => {
    const parsed = parse([...words, 'command', '-x']);
    expect(parsed).toMatchObject(expected);
    expect(parsed.command).toEqual([Buffer.from('command'), Buffer.from('-x')]);
  });

  test.each([
    ['-x'],
    ['-sx'],
    ['--subreaper'],
    ['--'.concat('s')],
    ['-p'],
    ['-e'],
    ['-p', 'NOTHING'],
    ['-p', '0'],
    ['-p', '65'],
    ['-e', '256'],
    ['-e', '-1'],
    ['-e', ''],
    ['-e', '1x'],
    ['-\xff'],
  ])('%j %s are refused', (...words) => {
    expect(() => parse(words)).toThrow(UsageError);
  });

  test('may be given by tini’s variables, an empty one too', () => {
    expect(parse([], { TINI_SUBREAPER: '', TINI_KILL_PROCESS_GROUP: '1', TINI_VERBOSITY: '3' })).toMatchObject({
      subreaper: true,
      group: true,
      verbosity: 3,
    });
    for (const bad of ['', 'loud', '-1', '1.5', '100']) {
      expect(() => parse([], { TINI_VERBOSITY: bad })).toThrow(UsageError);
    }
  });
});

describe('the command', () => {
  test('begins at the first word that is no flag, or after --', () => {
    expect(commandOf(['-s', 'ls', '-g', '--'])).toEqual(['ls', '-g', '--']);
    expect(commandOf(['-s', '--', '-g', '--'])).toEqual(['-g', '--']);
    expect(commandOf(['--', '--'])).toEqual(['--']);
    expect(commandOf(['-'])).toEqual(['-']);
    expect(commandOf(['', '-s'])).toEqual(['', '-s']);
    expect(commandOf(['-s', '--'])).toEqual([]);
  });

  test('is bytes', () => {
    expect(parse(['--', Buffer.from([0xff, 0x80, 0x0a])]).command).toEqual([Buffer.from([0xff, 0x80, 0x0a])]);
  });
});
