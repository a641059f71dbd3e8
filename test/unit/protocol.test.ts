// The control protocol's words: what both ends write, the other reads; what is none of it is refused.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { TazpodError } from '../../lib/errors.ts';
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  LineReader,
  MAX_BASELINE_LENGTH,
  MAX_LINE_BYTES,
  refuse,
  type Request,
} from '../../lib/protocol.ts';

const requests: Request[] = [
  { op: 'status' },
  { op: 'status', holders: true },
  { op: 'unchanged' },
  { op: 'open' },
  { op: 'commit', baseline: '' },
  { op: 'locking' },
  { op: 'save' },
  { op: 'saved', baseline: '\u0000"\n é 🔐', bytes: 2 ** 40 + 1 },
  { op: 'replace' },
  { op: 'replace', baseline: 'one' },
  { op: 'rescued', path: '/a "b"\n' },
  { op: 'close' },
  { op: 'close', kill: true, caller: 4242 },
];

test.each(requests)('a request $op comes out as it went in, on one line', (request) => {
  const line = encodeRequest(request);
  expect(line.indexOf('\n')).toBe(line.length - 1);
  expect(decodeRequest(line.slice(0, -1))).toEqual(request);
});

test('the longest baseline fits into a line, whatever its characters', () => {
  for (const character of ['x', '"', '\u0001', '🔐'.charAt(0)]) {
    const line = encodeRequest({ op: 'saved', baseline: character.repeat(MAX_BASELINE_LENGTH), bytes: 0 });
    expect(Buffer.byteLength(line)).toBeLessThan(MAX_LINE_BYTES);
  }
});

test.each([
  '{"v":1,"op":"saved","bytes":1}',
  '{"v":1,"op":"saved","baseline":""}',
  '{"v":1,"op":"saved","baseline":"","bytes":"1"}',
  '{"v":1,"op":"saved","baseline":"","bytes":-1}',
  '{"v":1,"op":"saved","baseline":"","bytes":1.5}',
  '{"v":1,"op":"commit"}',
  '{"v":1,"op":"commit","baseline":1}',
])('%s is refused with `usage`', (line) => {
  expect(catching(() => decodeRequest(line))).toMatchObject({ code: 'usage' });
});

test('what is no request is refused with `usage`, never with a defect of ours', () => {
  const fields = fc.object().map((value) => JSON.stringify({ v: 1, ...value }));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fields), (line) => {
      expect(catching(() => decodeRequest(line))).toMatchObject({ code: 'usage' });
    }),
  );
});

test.each([
  ['an object that no text can be made of', '{"toString":1,"valueOf":1}'],
  ['lists in lists', `${'['.repeat(7000)}${']'.repeat(7000)}`],
  ['a text as long as a line', JSON.stringify('x'.repeat(MAX_LINE_BYTES - 100))],
])('a version that is %s is refused in few words', (_, version) => {
  const error = catching(() => decodeRequest(`{"v":${version},"op":"status"}`));
  expect(error).toMatchObject({ code: 'usage' });
  expect(encodeReply(refuse(error)).length).toBeLessThan(1000);
});

describe('a reply', () => {
  test('that is good comes out as it went in', () => {
    const reply = { ok: true, device: 2 ** 40 + 1, size: 65_536, cached: false } as const;
    expect(decodeReply('open', encodeReply(reply))).toEqual(reply);
  });

  test('that refuses becomes the error that was refused with', () => {
    const error = new TazpodError('cannot-mount', 'cannot mount', { hint: 'add the capability' });
    expect(() => decodeReply('open', encodeReply(refuse(error)))).toThrow(error);
    const decoded = catching(() => decodeReply('open', encodeReply(refuse(error))));
    expect(decoded).toMatchObject({ code: 'cannot-mount', hint: 'add the capability', exitStatus: 16 });
  });

  test('for a defect of PID 1 is an unexpected error', () => {
    expect(refuse(new RangeError('off by one'))).toEqual({
      ok: false,
      code: 'unexpected',
      message: 'cannot go on: off by one',
    });
  });

  test.each([
    ['of another program', '{"ok":"yes"}'],
    ['with a code that is none', '{"ok":false,"code":"toString","message":"x"}'],
    ['without a message', '{"ok":false,"code":"locked"}'],
  ])('%s cannot be understood', (_, line) => {
    expect(catching(() => decodeReply('status', line))).toMatchObject({ code: 'unreachable' });
  });
});

describe('lines', () => {
  test('come out whole, however the bytes were cut', () => {
    const text = fc.array(
      fc.string({ unit: 'binary' }).map((line) => line.replaceAll('\n', '')),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 16 }), (lines, size) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const reader = new LineReader();
        const out: string[] = [];
        for (let at = 0; at < bytes.length; at += size) out.push(...reader.push(bytes.subarray(at, at + size)));
        expect(out).toEqual(lines.map((line) => Buffer.from(line).toString()));
      }),
    );
  });

  test('may be as long as the limit says, and no longer, whether they end or not', () => {
    const longest = 'x'.repeat(MAX_LINE_BYTES - 1);
    expect(new LineReader().push(Buffer.from(`${longest}\n`))).toEqual([longest]);
    for (const tooLong of [`${longest}x\n`, `${longest}x`]) {
      expect(catching(() => new LineReader().push(Buffer.from(tooLong)))).toMatchObject({ code: 'usage' });
    }
    const reader = new LineReader();
    reader.push(Buffer.from(longest));
    expect(catching(() => reader.push(Buffer.from('xx')))).toMatchObject({ code: 'usage' });
  });
});

function catching(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
