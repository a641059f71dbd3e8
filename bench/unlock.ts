// From the execution of PID 1 to the command's first instruction with a developer's vault opened in between, beside what a
// person would write instead: tini and a shell script (programs/shell-entrypoint). On all cores, and on one.

import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { interleaved, WITH_VAULT } from './contestants.ts';
import { Samples } from './samples.ts';
import { NOTE_START, timeStarted } from './start.ts';
import { UNLOCKING, vaultSandbox } from './vault-container.ts';
import { DEVELOPER, sealTree } from './workloads.ts';

const ROUNDS = 21;
const [OURS, PEER] = WITH_VAULT;

export const unlock: Benchmark = {
  name: 'unlock',
  async measure(): Promise<Figure[]> {
    const sealed = await sealTree(DEVELOPER);
    const [many, one] = [new Samples(), new Samples()];
    await using used = new AsyncDisposableStack(); // start.ts says why they are kept
    for (const { name, init } of interleaved(WITH_VAULT, ROUNDS)) {
      for (const [samples, pin] of [
        [many, []],
        [one, ['/usr/bin/taskset', '--cpu-list', '0']],
      ] as const) {
        const sandbox = used.use(await vaultSandbox(sealed));
        const command = [...pin, NOTE_START, ...init, '/bin/date', '+%s%N'];
        samples.add(name, await timeStarted(await sandbox.start(command, { environment: UNLOCKING })));
      }
    }
    return [figure('on all cores', many, 1), figure('pinned to one core', one, 1.25)];
  },
};

function figure(where: string, samples: Samples, most: number): Figure {
  return {
    title: `Start with unlock, ${where}: from exec to the command’s first instruction`,
    unit: 'ms',
    method: `${ROUNDS} fresh containers each, removed in the end; a developer’s vault (300 files, 2 MB), the passphrase in a file.`,
    samples,
    reference: PEER.name,
    bar: {
      text: `at most ${most} × ${PEER.name}`,
      reached: (medians) => medianOf(medians, OURS.name) <= most * medianOf(medians, PEER.name),
    },
  };
}
