// From the execution of the init to the command's first instruction, the container already made. Every run is a fresh container.
// The command is `date +%s%N`, which looks at the clock as good as first thing.

import { join } from 'node:path';

import { PROJECT } from '../sandbox/container.ts';
import { ENVIRONMENT, Sandbox, type Running } from '../test/support/sandbox.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { CONTESTANTS, interleaved, NO_INIT, OURS } from './contestants.ts';
import { Samples } from './samples.ts';

const ROUNDS = 21;
/** `docker run --user`. */
const USER = 1000;
export const NOTE_START = join(PROJECT, 'bench/programs/note-start');
const NOTE_LIFE = join(PROJECT, 'bench/programs/note-life');

interface Run {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly user?: number;
}

/** What a program of our kind takes at the least: the same Node, from exec to its end, with nothing to run. */
const BARE_NODE: Run = {
  name: 'node -e 0',
  command: [NOTE_LIFE, process.execPath, '-e', '0'],
  environment: ENVIRONMENT,
};

const DATE = ['/bin/date', '+%s%N'];
const RUNS: readonly Run[] = [...CONTESTANTS, NO_INIT].map(({ name, wrap, environment }) => ({
  name,
  command: [NOTE_START, ...wrap(DATE)],
  environment,
}));
const UNPRIVILEGED: Run = {
  name: `${OURS.name} as a user`,
  command: [NOTE_START, ...OURS.wrap(DATE)],
  environment: OURS.environment,
  user: USER,
};

export const start: Benchmark = {
  name: 'start',
  async measure(): Promise<Figure[]> {
    const samples = new Samples();
    // ext4 looks at each inode that was deleted in the last seconds before it makes a new one: to remove a container between two
    // runs would make every file that the next one makes take up to a millisecond.
    await using used = new AsyncDisposableStack();
    for (const run of interleaved<Run>([...RUNS, UNPRIVILEGED, BARE_NODE], ROUNDS)) {
      const { command, ...options } = run;
      const sandbox = used.use(await Sandbox.create());
      samples.add(run.name, await timeStarted(await sandbox.start(command, options)));
    }
    return [
      {
        title: 'Start: from exec to the command’s first instruction',
        unit: 'ms',
        method:
          `${ROUNDS} fresh containers each, removed in the end; \`date +%s%N\` as the command, less the clock just before the init’s execve(2). ` +
          '“No init” is the command’s own start, which is in every figure. “As a user” is `docker run --user 1000`: no operator to ' +
          'become. `node -e 0` is the whole life of a bare Node of the same version, as its parent sees it.',
        samples,
        bar: {
          text: 'at most 1.0 × the whole life of `node -e 0` as root, 0.9 × as a user',
          reached: (medians) =>
            medianOf(medians, OURS.name) <= medianOf(medians, BARE_NODE.name) &&
            medianOf(medians, UNPRIVILEGED.name) <= 0.9 * medianOf(medians, BARE_NODE.name),
        },
      },
    ];
  },
};

/** Milliseconds between the two lines that a container prints: the clock at its begin, and at what was waited for. */
export async function timeStarted(running: Running): Promise<number> {
  const { code } = await running.exited;
  const [executed, began] = (await running.stdout.whole()).split('\n');
  if (code !== 0 || !began) throw new Error(`cannot time the start: ${await running.stderr.whole()}`);
  return Number(BigInt(began) - BigInt(executed ?? '')) / 1e6;
}
