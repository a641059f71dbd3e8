// `npm run stress [-- NAME…]`: hostile input by the million. Records stress/results/NAME.json and makes the tables in
// docs/stress.md of all that is recorded. Without names: everything, which takes hours; give them `nice`.
// A run of less than its own count is a trial, and leaves no record. Ends with 1 where an item failed.

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

import { buildExecutable } from '../build/executable.ts';
import { describeMachine, load } from '../recording/machine.ts';
import { archives } from './archives.ts';
import { bytes } from './bytes.ts';
import { configuration } from './configuration.ts';
import { faults } from './faults.ts';
import { kills } from './kills.ts';
import { Progress } from './progress.ts';
import { protocol } from './protocol.ts';
import { spell, spellDuration, writePage, writeResult } from './record.ts';
import { saveFaults } from './save-faults.ts';
import { swaps } from './swaps.ts';
import { TooManyFailures, type Stress, type StressOutcome } from './stress.ts';

const STRESSES: readonly Stress[] = [archives, bytes, protocol, configuration, swaps, kills, faults, saveFaults];
const names = STRESSES.map(({ name }) => name);

const MOST_FAILURES = 10;

const HELP = `Usage: npm run stress -- [NAME…] [options]

${STRESSES.map(({ name, summary }) => `  ${name.padEnd(14)} ${summary}`).join('\n')}

Options:
  --count N      so many items instead of a whole run (less than one is not recorded)
  --seed S       the seed of an earlier run, from 0 to 4294967295
  --from N       begin with item N: with --seed and --count 1, one failure again
  --help
`;

interface Wanted {
  readonly count: number | undefined;
  readonly seed: number;
  readonly from: number;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      count: { type: 'string' },
      seed: { type: 'string' },
      from: { type: 'string', default: '0' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const unknown = positionals.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`cannot run ${unknown.join(', ')}: there are ${names.join(', ')}`);
  const wanted: Wanted = {
    count: values.count === undefined ? undefined : numberOf('count', values.count),
    seed: values.seed === undefined ? randomInt(2 ** 32) : numberOf('seed', values.seed),
    from: numberOf('from', values.from),
  };
  const chosen = STRESSES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  if (chosen.some(({ executable }) => executable)) await buildExecutable();

  let failures = 0;
  for (const stress of chosen) failures += await run(stress, wanted);
  await writePage(names);
  return failures === 0 ? 0 : 1;
}

/** Answers how many failures there were. */
async function run(stress: Stress, { seed, from, count = stress.count }: Wanted): Promise<number> {
  const { name, unit, oracle } = stress;
  const before = load();
  const began = performance.now();
  let failures = 0;
  let outcome: StressOutcome | undefined;
  {
    using progress = new Progress(name, count);
    const fail = (item: number, finding: string): void => {
      progress.say(`${name}: item ${item} of seed ${seed} failed: ${finding}`);
      progress.say(`  again: npm run stress -- ${name} --seed ${seed} --from ${item} --count 1`);
      failures += 1;
      if (failures === MOST_FAILURES) throw new TooManyFailures();
    };
    try {
      outcome = await stress.run({ count, seed, from, progress: (done) => progress.show(done), fail });
    } catch (error) {
      if (!(error instanceof TooManyFailures)) throw error;
      progress.say(`${name}: given up after ${MOST_FAILURES} failures`);
    }
  }
  const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
  console.log(`${name}: ${spell(count)} ${unit} of seed ${seed} in ${spellDuration(seconds)}, ${failures} failed`);
  if (outcome === undefined) return failures;
  for (const [figure, value] of Object.entries(outcome.figures)) console.log(`  ${figure}: ${spell(value)}`);
  if (from > 0 || count < stress.count) return failures;
  const peakMemory = Math.round((outcome.peakMemory ?? process.resourceUsage().maxRSS) / 1024);
  await writeResult({
    stress: name,
    date: new Date().toISOString(),
    machine: await describeMachine(),
    load: { before, after: load() },
    seed,
    count,
    unit,
    oracle,
    seconds,
    peakMemory,
    failures,
    figures: outcome.figures,
  });
  return failures;
}

function numberOf(option: string, text: string): number {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : 2 ** 32;
  if (value >= 2 ** 32) throw new Error(`cannot use "${text}" for --${option}: expected a number below 2^32`);
  return value;
}
