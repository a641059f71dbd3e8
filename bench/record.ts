// What a benchmark leaves behind: bench/results/NAME.json, and the tables in docs/benchmarks.md that are made of all of them.

import { readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { format } from 'prettier';

import { PROJECT } from '../sandbox/container.ts';
import type { Figure } from './benchmark.ts';
import { REFERENCE } from './contestants.ts';
import type { Machine } from './machine.ts';
import type { Summary } from './samples.ts';

const RESULTS = join(PROJECT, 'bench/results');
const PAGE = join(PROJECT, 'docs/benchmarks.md');
/** The page's tables stand between these; what is around them is written by hand. */
const [BEGIN, END] = ['<!-- tables: npm run bench -->', '<!-- end of tables -->'];

export interface RecordedFigure {
  readonly title: string;
  readonly unit: string;
  readonly method: string;
  readonly tail: boolean;
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

export function recordFigure({ title, unit, method, tail = false, bar, samples }: Figure): RecordedFigure {
  const contestants = samples.summaries();
  const medians = Object.fromEntries(Object.entries(contestants).map(([name, { median }]) => [name, median]));
  return {
    title,
    unit,
    method,
    tail,
    bar: bar === undefined ? null : { text: bar.text, reached: bar.reached(medians) },
    contestants,
  };
}

export async function writeResult(result: Result): Promise<void> {
  const text = await format(JSON.stringify(result), { parser: 'json', objectWrap: 'preserve' });
  await writeFile(join(RESULTS, `${result.benchmark}.json`), text);
}

/**
 * Makes the page's tables anew from every result that is recorded, in the order of `names`.
 * @throws Error if the page has lost its markers
 */
export async function writePage(names: readonly string[]): Promise<void> {
  const recorded = new Set((await readdir(RESULTS)).map((file) => basename(file, '.json')));
  const results = await Promise.all(names.filter((name) => recorded.has(name)).map(readResult));
  const page = await readFile(PAGE, 'utf8');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`cannot write the tables: ${PAGE} has no place for them`);
  const tables = results.flatMap((result) => [
    ...result.figures.map(tableOf),
    `Measured ${result.date.slice(0, 10)}; load of the machine ${result.load.before} before, ${result.load.after} after.`,
  ]);
  const machine = results[0] === undefined ? [] : [sentenceOn(results[0].machine)];
  const text = [page.slice(0, begin) + BEGIN, ...machine, ...tables, page.slice(end)].join('\n\n');
  await writeFile(PAGE, await format(text, { parser: 'markdown', proseWrap: 'preserve', printWidth: 120 }));
}

async function readResult(name: string): Promise<Result> {
  return JSON.parse(await readFile(join(RESULTS, `${name}.json`), 'utf8')) as Result;
}

function sentenceOn({ processor, cores, memoryGiB, kernel, system, node, packages }: Machine): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return `${processor}, ${cores} cores, ${memoryGiB} GiB; Linux ${kernel}, ${system}; Node ${node}; ${versions.join(', ')}.`;
}

/** The figure as a Markdown table, with what must be reached and whether it is. */
function tableOf({ title, unit, method, tail, bar, contestants }: RecordedFigure): string {
  const reference = contestants[REFERENCE.name]?.median;
  const header = ['', `median (${unit})`, ...(tail ? ['p99'] : []), 'lowest', 'highest', `ratio to ${REFERENCE.name}`];
  const rows = Object.entries(contestants).map(([name, { median, p99, lowest, highest }]) => {
    const ratio = reference ? (median / reference).toFixed(2) : '–';
    return [name, ...[median, ...(tail ? [p99] : []), lowest, highest].map(spell), ratio];
  });
  const lines = [header, header.map((_, column) => (column === 0 ? ':--' : '--:')), ...rows];
  const verdict = bar === null ? '' : ` **Must reach: ${bar.text} — ${bar.reached ? 'reached' : 'not reached'}.**`;
  return `### ${title}\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n${method}${verdict}`;
}

/** Three digits at the least, no more than one behind the point where there are two before it. */
export function spell(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
