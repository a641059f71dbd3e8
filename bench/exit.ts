// From the command's last instruction to the moment at which the init's parent learns of its end: locked, nothing to save.

import { join } from 'node:path';
import { execa } from 'execa';

import { PROJECT } from '../sandbox/container.ts';
import { Sandbox } from '../test/support/sandbox.ts';
import { Output } from '../test/support/output.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { CONTESTANTS, interleaved, NO_INIT, OURS, REFERENCE, type Contestant } from './contestants.ts';
import { Samples } from './samples.ts';
import { quiet } from './process.ts';

const ROUNDS = 15;
const MOST_BEHIND = 2; // ms
const END_WHEN_TOLD = join(PROJECT, 'bench/programs/end-when-told');
const NOTE_END = join(PROJECT, 'bench/programs/note-end');

export const exit: Benchmark = {
  name: 'exit',
  async measure(): Promise<Figure[]> {
    const samples = new Samples();
    for (const contestant of interleaved([...CONTESTANTS, NO_INIT], ROUNDS)) {
      samples.add(contestant.name, await timeExit(contestant));
    }
    return [
      {
        title: 'End: from the command’s end to ours',
        unit: 'ms',
        method:
          `${ROUNDS} containers each, idle before; the command notes the clock and ends; a process outside waits on PID 1’s pidfd. ` +
          '“No init” is what the kernel takes to end a container.',
        samples,
        bar: {
          text: `at most ${MOST_BEHIND} ms more than tini’s`,
          reached: (medians) => medianOf(medians, OURS.name) <= medianOf(medians, REFERENCE.name) + MOST_BEHIND,
        },
      },
    ];
  },
};

/** Milliseconds. */
async function timeExit({ wrap, environment }: Contestant): Promise<number> {
  await using sandbox = await Sandbox.create();
  const running = await sandbox.start(wrap([END_WHEN_TOLD]), { environment, stdin: 'pipe' });
  await running.stdout.waitFor('ready\n');
  const watcher = execa(NOTE_END, [String(running.pid)]);
  const noted = new Output(watcher.stdout);
  await noted.waitFor('watching\n');
  await quiet(running.pid);
  running.stdin.write('\n');
  const [, ended] = await noted.waitFor(/^(\d+)\n/);
  const [, said] = await running.stdout.waitFor(/^(\d+)\n/);
  await watcher;
  return (Number(ended) - Number(said)) / 1e6;
}
