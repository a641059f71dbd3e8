// When changes are saved: by a clock of the test's own.

import { expect, test } from 'vitest';

import { LONGEST, QUIET, SavePace } from '../../../entrypoint/save-pace.ts';

const MIB = 2 ** 20;

/** Changes come at these times, and are seen when the pace looks: when does it save? */
function savedAt(pace: SavePace, changes: readonly number[], from = 0): number {
  const left = changes.filter((time) => time >= from).sort((a, b) => a - b);
  let now = left[0] ?? from;
  for (;;) {
    const seen = left.filter((time) => time <= now).length;
    if (left.splice(0, seen).length > 0) pace.changed(now);
    const wait = pace.wait(now);
    if (wait === undefined || wait === 0) return now;
    now += wait;
  }
}

/** One change every `period` milliseconds. */
function busy(period: number, until: number): number[] {
  return Array.from({ length: Math.ceil(until / period) }, (_, index) => index * period);
}

function save(pace: SavePace, now: number, took: number, bytes?: number): number {
  pace.saveBegins(now);
  if (bytes !== undefined) pace.wrote(bytes);
  pace.saveEnds(now + took);
  return now + took;
}

test('while nothing changes there is nothing to wait for', () => {
  const pace = new SavePace();
  expect(pace.wait(0)).toBeUndefined();
  expect(pace.wait(1e9)).toBeUndefined();
  save(pace, 1e9, 100, MIB);
  expect(pace.wait(2e9)).toBeUndefined();
});

test('a change is saved when it has been quiet', () => {
  expect(savedAt(new SavePace(), [1000])).toBe(1000 + QUIET.least);
});

test.each([
  { lasted: 100, within: 2 * QUIET.least },
  { lasted: 700, within: 2 * QUIET.least },
  { lasted: 5000, within: 2 * QUIET.most },
])(
  'changes for $lasted ms are saved $within ms after the last at the latest, and when it has been quiet',
  ({ lasted, within }) => {
    for (let offset = 0; offset < 100; offset += 7) {
      const changes = [...busy(50, lasted), lasted + offset];
      const last = lasted + offset;
      const saved = savedAt(new SavePace(), changes);
      expect(saved).toBeGreaterThanOrEqual(last + QUIET.least);
      expect(saved).toBeLessThanOrEqual(last + within);
    }
  },
);

test('who never stops is saved half a minute after the first change, again and again', () => {
  const pace = new SavePace();
  const changes = busy(100, 200_000);
  const first = savedAt(pace, changes);
  expect(first).toBe(LONGEST);
  const second = savedAt(pace, changes, save(pace, first, 200, MIB));
  expect(second).toBeGreaterThan(first + LONGEST - QUIET.most);
  expect(second).toBeLessThanOrEqual(first + 300 + LONGEST);
});

test('is asked twice a second at the most while it is busy, and not at all in a rest', () => {
  const pace = new SavePace();
  pace.changed(0);
  pace.changed(3000);
  expect(pace.wait(3000)).toBe(QUIET.most);
  const ended = save(pace, 3500, 100, 40 * MIB);
  pace.changed(ended);
  expect(pace.wait(ended)).toBe(10_000);
});

test.each([
  { bytes: 2 * MIB, rest: 500 },
  { bytes: 40 * MIB, rest: 10_000 },
  { bytes: 1024 * MIB, rest: LONGEST },
])('a vault of $bytes bytes is written again after $rest ms at the earliest', ({ bytes, rest }) => {
  const pace = new SavePace();
  const ended = save(pace, 1000, 100, bytes);
  expect(savedAt(pace, [ended + 1])).toBe(ended + Math.max(rest, QUIET.least + 1));
});

test('a save that wrote nothing, or failed, is followed by a rest of the time that it took', () => {
  const pace = new SavePace();
  const ended = save(pace, 1000, 5000);
  expect(savedAt(pace, [ended + 1])).toBe(ended + 5000);
});

test('what was rested for long ago is forgotten', () => {
  const pace = new SavePace();
  const ended = save(pace, 1000, 100, 40 * MIB);
  expect(savedAt(pace, [ended + 60_000])).toBe(ended + 60_000 + QUIET.least);
});
