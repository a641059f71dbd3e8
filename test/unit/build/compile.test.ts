// Code that is compiled ahead of time: all of a text's functions, so that none is parsed when it is first called.

import { execFileSync } from 'node:child_process';
import { Script } from 'node:vm';
import { expect, test } from 'vitest';

import { bindToFlags, compileWhole } from '../../../build/compile.ts';

test('holds every function, also those that nobody has called yet', () => {
  const text =
    '(function () { const inner = () => "compiled"; return class { static method() { return inner(); } }; })';
  // V8 compares lengths: what runs without a look at the text was compiled, wherever it stands.
  const blank = ' '.repeat(text.length);
  const script = new Script(blank, { filename: 'text', cachedData: compileWhole(text, 'text') });
  expect(script.cachedDataRejected).toBe(false);
  const { method } = (script.runInThisContext() as () => { method: () => string })();
  expect(method()).toBe('compiled');
});

test('leaves the engine as it was: what is compiled afterwards is compiled when it is called', () => {
  compileWhole('(function () {})', 'text');
  const text = '(function () { const inner = () => "parsed"; return inner(); })';
  const cachedData = new Script(text).createCachedData();
  const script = new Script(' '.repeat(text.length), { cachedData });
  expect(script.cachedDataRejected).toBe(false);
  expect(script.runInThisContext() as () => string).toThrow(SyntaxError);
});

test('is taken by a Node with the flags that it was bound to, and by no other', () => {
  const code = compileWhole('(function () {})', 'text');
  const bytes = Buffer.concat([Buffer.from('before'), code, code]);
  expect(bindToFlags(bytes, ['--no-rehash-snapshot'])).toBe(2);
  expect(isTakenBy(['--no-rehash-snapshot'], bytes.subarray(-code.length))).toBe(true);
  expect(isTakenBy([], bytes.subarray(-code.length))).toBe(false);
});

function isTakenBy(flags: readonly string[], code: Buffer): boolean {
  const script = `
    const cachedData = require('node:fs').readFileSync(0);
    process.stdout.write(String(new vm.Script('(function () {})', { filename: 'text', cachedData }).cachedDataRejected))`;
  return execFileSync(process.execPath, [...flags, '-e', script], { input: code, encoding: 'utf8' }) === 'false';
}
