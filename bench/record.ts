// What a benchmark leaves behind: bench/results/NAME.json, and the tables in docs/benchmarks.md that are made of all of them.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { sentenceOn, type Machine } from '../recording/machine.ts';
import { Records, table } from '../recording/records.ts';
import { PROJECT } from '../sandbox/container.ts';
import type { Figure } from './benchmark.ts';
import { chart } from './chart.ts';
import { REFERENCE } from './contestants.ts';
import type { Summary } from './samples.ts';

const RECORDS = new Records<Result>({
  results: 'bench/results',
  page: 'docs/benchmarks.md',
  command: 'npm run bench',
});

/** The page shows it above its tables. */
const CHART = join(PROJECT, 'docs/benchmarks.svg');

export interface RecordedFigure {
  readonly title: string;
  readonly unit: string;
  readonly method: string;
  readonly tail: boolean;
  /** What ratios are to. */
  readonly reference: string;
  readonly bar: { readonly text: string; readonly reached: boolean } | null;
  readonly contestants: Readonly<Record<string, Summary>>;
}

export interface Result {
  readonly benchmark: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly machine: Machine;
  /** The load of the machine before and after, averaged over a minute each. */
  readonly load: { readonly before: number; readonly after: number };
  readonly figures: readonly RecordedFigure[];
}

export function recordFigure(figure: Figure): RecordedFigure {
  const { title, unit, method, tail = false, reference = REFERENCE.name, bar, samples } = figure;
  const contestants = samples.summaries();
  const medians = Object.fromEntries(Object.entries(contestants).map(([name, { median }]) => [name, median]));
  return {
    title,
    unit,
    method,
    tail,
    reference,
    bar: bar === undefined ? null : { text: bar.text, reached: bar.reached(medians) },
    contestants,
  };
}

export async function writeResult(result: Result): Promise<void> {
  await RECORDS.write(result.benchmark, result);
}

/** Makes the page's tables and its chart anew from every result that is recorded, in the order of `names`. */
export async function writePage(names: readonly string[]): Promise<void> {
  const figures: RecordedFigure[] = [];
  await RECORDS.writePage(names, (results) => {
    figures.push(...results.flatMap((result) => result.figures));
    return [
      ...(results[0] === undefined ? [] : [sentenceOn(results[0].machine)]),
      `### What must be reached\n\n${table([['figure', 'must reach', ''], ...results.flatMap(barsOf)])}`,
      ...results.flatMap((result) => [
        ...result.figures.map(tableOf),
        `Measured ${result.date.slice(0, 10)}; load of the machine ${result.load.before} before, ${result.load.after} after.`,
      ]),
    ];
  });
  await writeFile(CHART, chart(figures));
}

/** The figure and its bar, and whether that is reached. */
function barsOf({ figures }: Result): string[][] {
  return figures.flatMap(({ title, bar }) =>
    bar === null ? [] : [[title, bar.text, bar.reached ? 'reached' : '**not reached**']],
  );
}

/** The figure as a Markdown table, with what must be reached and whether it is. */
function tableOf({ title, unit, method, tail, reference, bar, contestants }: RecordedFigure): string {
  const base = contestants[reference]?.median;
  const compared = base === undefined ? [] : [`ratio to ${reference}`];
  const header = ['', `median (${unit})`, ...(tail ? ['p99'] : []), 'lowest', 'highest', ...compared];
  const rows = Object.entries(contestants).map(([name, { median, p99, lowest, highest }]) => {
    const ratio = base === undefined ? [] : [base === 0 ? '–' : (median / base).toFixed(2)];
    return [name, ...[median, ...(tail ? [p99] : []), lowest, highest].map(spell), ...ratio];
  });
  const verdict = bar === null ? '' : ` **Must reach: ${bar.text} — ${bar.reached ? 'reached' : 'not reached'}.**`;
  return `### ${title}\n\n${table([header, ...rows])}\n\n${method}${verdict}`;
}

/** Three digits at the least, no more than one behind the point where there are two before it. */
export function spell(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
