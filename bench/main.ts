// `npm run bench [-- NAME…]`: measures, records bench/results/NAME.json, and makes the tables in docs/benchmarks.md of all that is
// recorded. Without names: everything, which takes some minutes. Root, or a machine that lends namespaces, is needed.
// Ends with 1 where something that we must reach is not reached.

import { execa } from 'execa';
import { installMissing } from '../build/debian.ts';
import { buildExecutable } from '../build/executable.ts';
import { describeMachine, load } from '../recording/machine.ts';
import type { Benchmark } from './benchmark.ts';
import { docker } from './docker.ts';
import { exit } from './exit.ts';
import { extract } from './extract.ts';
import { floor } from './floor.ts';
import { growth } from './growth.ts';
import { idle } from './idle.ts';
import { memory } from './memory.ts';
import { recordFigure, spell, writePage, writeResult, type RecordedFigure } from './record.ts';
import { save } from './save.ts';
import { signals } from './signals.ts';
import { start } from './start.ts';
import { stop } from './stop.ts';
import { unlock } from './unlock.ts';
import { zombies } from './zombies.ts';

const BENCHMARKS: readonly Benchmark[] = [
  floor,
  start,
  unlock,
  stop,
  docker,
  extract,
  save,
  growth,
  memory,
  signals,
  exit,
  zombies,
  idle,
];
const names = BENCHMARKS.map(({ name }) => name);

/** Programs that are measured or measure, and Debian's packages of them. */
const PROGRAMS = {
  chrt: 'util-linux',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  perl: 'perl',
  tini: 'tini',
  'dumb-init': 'dumb-init',
  catatonit: 'catatonit',
  taskset: 'util-linux',
  script: 'bsdutils',
  openssl: 'openssl',
  gpg: 'gpg',
  'gpg-agent': 'gpg-agent',
  age: 'age',
};

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function run(wanted: readonly string[]): Promise<number> {
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`cannot run ${unknown.join(', ')}: there are ${names.join(', ')}`);
  const missing = await installMissing(PROGRAMS);
  if (missing.length > 0) throw new Error(`cannot measure without ${missing.join(', ')}: install them`);
  await buildExecutable();
  await outrun();

  const machine = await describeMachine(['tini', 'dumb-init', 'catatonit', 'openssl', 'gpg', 'age']);
  let allReached = true;
  for (const benchmark of BENCHMARKS) {
    if (wanted.length > 0 && !wanted.includes(benchmark.name)) continue;
    const before = load();
    const figures = (await benchmark.measure()).map(recordFigure);
    // It has said why.
    if (figures.length === 0) continue;
    const date = new Date().toISOString();
    await writeResult({ benchmark: benchmark.name, date, machine, load: { before, after: load() }, figures });
    for (const figure of figures) console.log(describe(figure));
    allReached &&= figures.every(({ bar }) => bar?.reached ?? true);
  }
  await writePage(names);
  return allReached ? 0 : 1;
}

/**
 * Puts us, and so all that we start, into the real-time class (sched(7)), where other work on the machine hardly shows. Where
 * that is not ours to do, figures are as noisy as the machine.
 */
async function outrun(): Promise<void> {
  const { failed } = await execa('chrt', ['--rr', '--pid', '1', String(process.pid)], { reject: false });
  if (failed) console.error('measuring in the normal scheduling class: only root may choose another');
}

function describe({ title, unit, bar, tail, contestants }: RecordedFigure): string {
  const lines = Object.entries(contestants).map(
    ([name, { median, p99 }]) => `  ${name.padEnd(30)} ${spell(median)} ${unit}${tail ? `, p99 ${spell(p99)}` : ''}`,
  );
  const verdict = bar === null ? [] : [`  must reach: ${bar.text}: ${bar.reached ? 'reached' : 'NOT REACHED'}`];
  return [title, ...lines, ...verdict].join('\n');
}
