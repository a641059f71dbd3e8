// What a benchmark is: it measures some figures, each of all contestants, and says what we must reach.

import type { Samples } from './samples.ts';

export interface Figure {
  readonly title: string;
  /** What stands behind the numbers. */
  readonly unit: string;
  /** How it was measured, in a sentence or two. */
  readonly method: string;
  readonly samples: Samples;
  /** The contestant that every ratio is to; tini unless given, and none where that took no part. */
  readonly reference?: string;
  /** Whether the 99th percentile is of interest. */
  readonly tail?: boolean;
  readonly bar?: Bar;
}

/** What our median must reach, if anything. */
export interface Bar {
  readonly text: string;
  /** @param medians by contestant */
  reached(medians: Readonly<Record<string, number>>): boolean;
}

export interface Benchmark {
  readonly name: string;
  /** The figures; none where the machine lacks something that only this needs, which it says. */
  measure(): Promise<Figure[]>;
}

/** The median of a contestant that took part. */
export function medianOf(medians: Readonly<Record<string, number>>, name: string): number {
  const median = medians[name];
  if (median === undefined) throw new Error(`cannot compare with ${name}: it was not measured`);
  return median;
}
