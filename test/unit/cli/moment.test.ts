import { expect, test } from 'vitest';

import { duration, moment } from '../../../cli/moment.ts';

const NOW = Date.UTC(2026, 10, 26, 14, 31, 10, 999);

test.for([
  [0, 'less than a second'],
  [999, 'less than a second'],
  [1000, '1 second'],
  [59_999, '59 seconds'],
  [60_000, '1 minute'],
  [3_599_999, '59 minutes'],
  [3_600_000, '1 hour'],
  [86_400_000 * 2, '2 days'],
  [86_400_000 * 31, '1 month'],
  [86_400_000 * 366, '1 year'],
] as const)('%i ms: %s', ([milliseconds, text]) => {
  expect(duration(milliseconds)).toBe(text);
});

test('a moment is told with its age; one of a clock that runs ahead as what it is', () => {
  expect(moment(NOW - 180_000, NOW)).toBe('2026-11-26T14:28:10Z (3 minutes ago)');
  expect(moment(NOW + 7_200_000, NOW)).toBe('2026-11-26T16:31:10Z (2 hours from now)');
});
