// What a stress run leaves behind: stress/results/NAME.json, and the tables in docs/stress.md that are made of all of them.

import { sentenceOn, type Machine } from '../recording/machine.ts';
import { Records, table } from '../recording/records.ts';

export interface Result {
  readonly stress: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly machine: Machine;
  /** The load of the machine before and after, averaged over a minute each. */
  readonly load: { readonly before: number; readonly after: number };
  readonly seed: number;
  readonly count: number;
  readonly unit: string;
  readonly oracle: string;
  readonly seconds: number;
  /** MiB. */
  readonly peakMemory: number;
  readonly failures: number;
  readonly figures: Readonly<Record<string, number>>;
}

const RECORDS = new Records<Result>({
  results: 'stress/results',
  page: 'docs/stress.md',
  command: 'npm run stress',
});

export async function writeResult(result: Result): Promise<void> {
  await RECORDS.write(result.stress, result);
}

/** Makes the page's tables anew from every result that is recorded, in the order of `names`. */
export async function writePage(names: readonly string[]): Promise<void> {
  await RECORDS.writePage(names, (results) => [
    ...machinesOf(results),
    overviewOf(results),
    ...results.flatMap(sectionOf),
  ]);
}

/** On what machine the runs were: one sentence for all, or one for each that differs, with the runs that were there. */
function machinesOf(results: readonly Result[]): string[] {
  const runs = Map.groupBy(results, ({ machine }) => sentenceOn(machine));
  if (runs.size < 2) return [...runs.keys()];
  return Array.from(runs, ([sentence, on]) => `${on.map(({ stress }) => stress).join(', ')}: ${sentence}`);
}

function overviewOf(results: readonly Result[]): string {
  return table([
    ['run', 'items', 'failures', 'duration', 'a second', 'peak memory (MiB)', 'seed', 'date'],
    ...results.map(({ stress, unit, count, failures, seconds, peakMemory, seed, date }) => [
      stress,
      `${spell(count)} ${unit}`,
      spell(failures),
      spellDuration(seconds),
      spell(Number((count / seconds).toFixed(count < seconds ? 1 : 0))),
      spell(peakMemory),
      String(seed),
      date.slice(0, 10),
    ]),
  ]);
}

function sectionOf({ stress, oracle, figures }: Result): string[] {
  const rows = Object.entries(figures).map(([name, value]) => [name, spell(value)]);
  return [`### ${stress}`, oracle, ...(rows.length === 0 ? [] : [table([['', stress], ...rows])])];
}

/** With commas between thousands. */
export function spell(value: number): string {
  return value.toLocaleString('en-US');
}

export function spellDuration(seconds: number): string {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.round(seconds % 60)];
  return minutes === 0 ? `${rest} s` : `${minutes} min ${rest} s`;
}
