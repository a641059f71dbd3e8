import { expect, test } from 'vitest';

import { decodeBaseline, encodeBaseline, type Baseline } from '../../lib/baseline.ts';
import { MAX_BASELINE_LENGTH } from '../../lib/protocol.ts';

const fingerprint = 'ab'.repeat(60);
const full: Baseline = { vault: fingerprint, began: 'cd'.repeat(60), salt: '01'.repeat(32), contents: '23'.repeat(32) };
const conflict = {
  name: 'vault.tar.aes.conflict-20261123T211059Z-1000',
  fingerprint: 'ef'.repeat(60),
  contents: '45'.repeat(32),
};

test.each([
  ['of a vault', full],
  ['of a new vault', { vault: undefined, began: undefined, salt: full.salt, contents: '' }],
  ['of a new vault that was saved', { ...full, began: undefined }],
  ['of a save that went beside the vault', { ...full, conflict }],
])('%s comes back as it went', (_, baseline) => {
  const text = encodeBaseline(baseline);
  expect(text.length).toBeLessThanOrEqual(MAX_BASELINE_LENGTH);
  expect(decodeBaseline(text)).toEqual(baseline);
});

test.each([
  JSON.stringify({ ...full, conflict: 'name' }),
  JSON.stringify({ ...full, conflict: { ...conflict, name: '../vault' } }),
  JSON.stringify({ ...full, conflict: { ...conflict, contents: undefined } }),
  '',
  'nonsense',
  '[]',
  'null',
  '{}',
  '{"salt":"","contents":1}',
  `{"salt":"${'x'.repeat(2000)}"}`,
])('%j is refused', (text) => {
  expect(() => decodeBaseline(text)).toThrow(expect.objectContaining({ code: 'unreachable' }));
});
