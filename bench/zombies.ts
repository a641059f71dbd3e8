// How fast zombies are reaped that have piled up while the init was stopped.

import { join } from 'node:path';
import { execa } from 'execa';

import { PROJECT } from '../sandbox/container.ts';
import { fixture, Sandbox } from '../test/support/sandbox.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { CONTESTANTS, interleaved, OURS, type Contestant } from './contestants.ts';
import { Samples } from './samples.ts';

const ROUNDS = 5;
const ZOMBIES = 3000;
const LEAST = 30_000; // a second
const TIME_REAPING = join(PROJECT, 'bench/programs/time-reaping');

export const zombies: Benchmark = {
  name: 'zombies',
  async measure(): Promise<Figure[]> {
    const samples = new Samples();
    for (const contestant of interleaved(CONTESTANTS, ROUNDS)) {
      samples.add(contestant.name, await reapingRate(contestant));
    }
    return [
      {
        title: 'Reaping: parked zombies a second',
        unit: 'a second',
        method: `${ROUNDS} × ${ZOMBIES} orphans end while the init is stopped; from SIGCONT until it has no child left but the command.`,
        samples,
        bar: {
          text: `at least ${LEAST}`,
          reached: (medians) => medianOf(medians, OURS.name) >= LEAST,
        },
      },
    ];
  },
};

async function reapingRate({ wrap, environment }: Contestant): Promise<number> {
  await using sandbox = await Sandbox.create();
  const parked = `echo ready; read line; exec ${fixture('make-orphans')} ${ZOMBIES}`;
  const running = await sandbox.start(wrap(['/bin/sh', '-c', parked]), { environment, stdin: 'pipe' });
  await running.stdout.waitFor('ready\n');
  running.signal('SIGSTOP');
  running.stdin.write('\n');
  await running.stdout.waitFor(`made ${ZOMBIES}\n`);
  const { stdout } = await execa(TIME_REAPING, [String(running.pid)]);
  const [count, nanoseconds] = stdout.split(' ').map(Number);
  if (count !== ZOMBIES || nanoseconds === undefined) {
    throw new Error(`cannot time the reaping: ${count} of ${ZOMBIES} orphans were parked`);
  }
  return ZOMBIES / (nanoseconds / 1e9);
}
