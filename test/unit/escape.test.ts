import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { escapeName } from '../../lib/escape.ts';

test.each([
  ['plain name.txt', 'plain name.txt'],
  ['größe-密码-🔑', 'größe-密码-🔑'],
  ['two\nlines', String.raw`two\x0alines`],
  ['\x1b[2J\x7f', String.raw`\x1b[2J\x7f`],
  ['back\\slash', String.raw`back\\slash`],
  ['\u202etxt.exe', String.raw`\u{202e}txt.exe`],
  ['\u2066\u200b\ufeff', String.raw`\u{2066}\u{200b}\u{feff}`],
  ['line\u2028paragraph\u2029c1\u0085', String.raw`line\u{2028}paragraph\u{2029}c1\u{85}`],
  [Buffer.from('caf\xe9', 'latin1'), String.raw`caf\xe9`],
  [Buffer.from([0xf0, 0x9f, 0x94]), String.raw`\xf0\x9f\x94`],
  [Buffer.from([0xed, 0xa0, 0x80, 0x41]), String.raw`\xed\xa0\x80A`],
])('%j is shown as %s', (name, shown) => {
  expect(escapeName(Buffer.from(name))).toBe(shown);
});

test('whatever the bytes: one line, nothing that moves a cursor, and no two names alike', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (one, other) => {
      const shown = escapeName(Buffer.from(one));
      expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(shown === escapeName(Buffer.from(other))).toBe(Buffer.from(one).equals(Buffer.from(other)));
    }),
  );
});
