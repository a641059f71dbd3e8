// When there is colour, by the rules that both programs have, and where the tool has it: around a word, on a terminal.

import { describe, expect, test } from 'vitest';

import * as cli from '../../cli/colour.ts';
import * as entrypoint from '../../entrypoint/colour.ts';
import { Terminal } from '../support/terminal.ts';
import { MAIN, onTerminal, QUIETLY, tazpod } from './cli/tool.ts';

describe.each([
  { name: 'the tool', wantsColour: cli.wantsColour },
  { name: 'PID 1', wantsColour: entrypoint.wantsColour },
])('$name has colour', ({ wantsColour }) => {
  test.each([
    { environment: { TERM: 'xterm' }, terminal: true, pipe: false },
    { environment: { TERM: 'dumb' }, terminal: false, pipe: false },
    { environment: { TERM: '' }, terminal: false, pipe: false },
    { environment: {}, terminal: false, pipe: false },
    { environment: { TERM: 'xterm', NO_COLOR: '1' }, terminal: false, pipe: false },
    { environment: { TERM: 'xterm', NO_COLOR: '' }, terminal: true, pipe: false },
    { environment: { FORCE_COLOR: '1' }, terminal: true, pipe: true },
    { environment: { TERM: 'dumb', FORCE_COLOR: '1' }, terminal: true, pipe: true },
    { environment: { TERM: 'xterm', FORCE_COLOR: '0' }, terminal: false, pipe: false },
    { environment: { TERM: 'xterm', FORCE_COLOR: '' }, terminal: true, pipe: false },
    { environment: { TERM: 'xterm', FORCE_COLOR: '1', NO_COLOR: '1' }, terminal: false, pipe: false },
  ])('under $environment: on a terminal $terminal, in a pipe $pipe', ({ environment, terminal, pipe }) => {
    expect(wantsColour(environment, true)).toBe(terminal);
    expect(wantsColour(environment, false)).toBe(pipe);
  });
});

const PLAIN = 'tazpod: cannot understand the option --loud\r\n  hint: tazpod status --help tells what it takes\r\n';
const RED = PLAIN.replace('tazpod:', '\u001B[31mtazpod:\u001B[m');

test.each([
  { env: { TERM: 'xterm' }, screen: RED },
  { env: { TERM: 'dumb' }, screen: PLAIN },
  { env: { TERM: 'xterm', NO_COLOR: '1' }, screen: PLAIN },
])('an error on a terminal, under $env', async ({ env, screen }) => {
  using terminal = await Terminal.open();
  await onTerminal(terminal, [process.execPath, QUIETLY, MAIN, 'status', '--loud'], env);
  expect(await terminal.ended()).toBe(screen);
});

test.each([
  { env: { TERM: 'xterm' }, stderr: PLAIN },
  { env: { FORCE_COLOR: '1' }, stderr: RED },
])('an error in a pipe, under $env', async ({ env, stderr }) => {
  expect((await tazpod(['status', '--loud'], { env })).stderr).toBe(stderr.replaceAll('\r', ''));
});
