// Moments as people read them: the time itself, and how long ago that is.

/** In milliseconds; a month and a year as they are on average. */
const UNITS = [
  ['year', 365.2425 * 86_400_000],
  ['month', 30.436875 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const;

/** `2026-11-26T14:31:10Z`: in UTC, to the second. */
export function timestamp(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** `3 minutes`: whole units, rounded down. */
export function duration(milliseconds: number): string {
  for (const [unit, length] of UNITS) {
    const count = Math.floor(milliseconds / length);
    if (count >= 1) return `${count} ${unit}${count === 1 ? '' : 's'}`;
  }
  return 'less than a second';
}

/** `2026-11-26T14:31:10Z (3 minutes ago)`. What is later than now, by a clock that was set, is said to be. */
export function moment(time: number, now: number): string {
  const age = now - time;
  return `${timestamp(time)} (${age < 0 ? `${duration(-age)} from now` : `${duration(age)} ago`})`;
}
