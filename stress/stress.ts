// What a stress run is: very many hostile items, each made from a seed and its number, each judged by itself.
// A run does not stop at the first one that fails: what it finds is told at once, with how to get it again.

export interface Stress {
  readonly name: string;
  /** What is done how often, for the help. */
  readonly summary: string;
  /** What is counted: `archives`, `rounds`. */
  readonly unit: string;
  /** How many a recorded run has. */
  readonly count: number;
  /** What every item has to show, in a sentence or two for the page. */
  readonly oracle: string;
  /** Whether the single executable must be there. */
  readonly executable: boolean;
  /** @throws Error if it cannot be run here at all */
  run(context: StressContext): Promise<StressOutcome>;
}

export interface StressContext {
  /** How many items. */
  readonly count: number;
  /** Number of the first item; 0 unless one failure is looked at again. */
  readonly from: number;
  /** From 0 to 2^32 - 1; the same seed and number make the same item. */
  readonly seed: number;
  /** Says how many items are done. */
  readonly progress: (done: number) => void;
  /**
   * Notes a failure.
   * @param item its number
   * @param finding what was seen, and what is needed to see it again beside seed and number
   * @throws TooManyFailures when there is no use in going on
   */
  readonly fail: (item: number, finding: string) => void;
}

export interface StressOutcome {
  /** What was counted or measured, by its name on the page. */
  readonly figures: Readonly<Record<string, number>>;
  /** KiB of the process that did the work, where that was not ours. */
  readonly peakMemory?: number;
}

/** Ends a run that fails again and again. */
export class TooManyFailures extends Error {}
