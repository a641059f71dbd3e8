import { expect, test } from 'vitest';

import { decodeBaseline, encodeBaseline, type Baseline } from '../../lib/baseline.ts';
import { MAX_BASELINE_LENGTH } from '../../lib/protocol.ts';

const fingerprint = 'ab'.repeat(60);
const contents = { digest: '23'.repeat(32), entries: 200_000, bytes: 2 ** 50 };
const vault = { fingerprint, contents };
const full: Baseline = { vault, began: 'cd'.repeat(60) };
const conflict = {
  name: 'vault.tar.aes.conflict-20261123T211059Z-1000',
  fingerprint: 'ef'.repeat(60),
  contents: { digest: '45'.repeat(32), entries: 0, bytes: 0 },
};

test.each([
  ['of a vault', full],
  ['of a vault of which nobody knows what it holds', { ...full, vault: { fingerprint, contents: undefined } }],
  ['of a new vault', { vault: undefined, began: undefined }],
  ['of a new vault that was saved', { ...full, began: undefined }],
  ['of a save that went beside the vault', { ...full, conflict }],
  [
    'of a save beside a vault of the longest name',
    { ...full, conflict: { ...conflict, contents, name: 'n'.repeat(255) } },
  ],
])('%s comes back as it went', (_, baseline) => {
  const text = encodeBaseline(baseline);
  expect(text.length).toBeLessThanOrEqual(MAX_BASELINE_LENGTH);
  expect(decodeBaseline(text)).toEqual(baseline);
});

test.each([
  JSON.stringify({ ...full, conflict: 'name' }),
  JSON.stringify({ ...full, conflict: { ...conflict, name: '../vault' } }),
  JSON.stringify({ ...full, conflict: { ...conflict, contents: undefined } }),
  JSON.stringify({ ...full, vault: undefined }),
  ...['digest', 'entries', 'bytes'].flatMap((field) =>
    [undefined, null, 'x', -1, 1.5].map((value) =>
      JSON.stringify({ ...full, vault: { fingerprint, contents: { ...contents, [field]: value } } }),
    ),
  ),
  // As versions before wrote it, without totals.
  JSON.stringify({ vault: fingerprint, began: fingerprint, salt: '01'.repeat(32), contents: contents.digest }),
  JSON.stringify({ salt: '01'.repeat(32), contents: '' }),
  '',
  'nonsense',
  '[]',
  'null',
  '{}',
  '{"vault":1}',
  `{"vault":null,"more":"${'x'.repeat(2000)}"}`,
])('%j is refused', (text) => {
  expect(() => decodeBaseline(text)).toThrow(expect.objectContaining({ code: 'unreachable' }));
});
