// What one entry more costs, as they grow: the time per entry must not rise with their number.

import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { readTimes, timeCommandsLine } from './commands.ts';
import { Samples } from './samples.ts';
import { PASSPHRASE_FILE, runUnlocked, vaultSandbox } from './vault-container.ts';
import { sealTree, smallFiles } from './workloads.ts';

const COUNTS = [100, 1000, 10_000, 100_000] as const;
const ROUNDS = 3;
const MOST_ABOVE_LINEAR = 1.2;

const WORK = {
  unlock: {
    prepare: 'tazpod lock --discard --quiet',
    command: `exec tazpod unlock --quiet --passphrase-file=${PASSPHRASE_FILE}`,
  },
  save: { prepare: 'date +%N >/home/tazpod/secrets/changed', command: 'exec tazpod save --quiet' },
} as const;

export const growth: Benchmark = {
  name: 'growth',
  async measure(): Promise<Figure[]> {
    const times = { unlock: new Samples(), save: new Samples() };
    for (const count of COUNTS) {
      const sealed = await sealTree(smallFiles(count));
      for (const verb of ['unlock', 'save'] as const) {
        await using sandbox = await vaultSandbox(sealed);
        const { prepare, command } = WORK[verb];
        const commands = { [spell(count)]: command };
        // Not from within the enclave, which could not be unmounted then.
        const line = ['/usr/bin/env', '--chdir=/', ...timeCommandsLine(ROUNDS, prepare, commands)];
        const printed = await runUnlocked(sandbox, line, { TAZPOD_ENCLAVE_SIZE: '1g' });
        times[verb].addAll(readTimes(printed, commands).milliseconds);
      }
    }
    return (['unlock', 'save'] as const).map((verb) => figure(verb, times[verb]));
  },
};

function figure(verb: string, samples: Samples): Figure {
  return {
    title: `Growth: tazpod ${verb} by the number of entries`,
    unit: 'ms',
    method: `${ROUNDS} runs in a container each, in an enclave of 1 GiB; files of 200 bytes, a hundred to a directory.`,
    samples,
    reference: spell(1000),
    bar: {
      text: 'an entry costs at most 20 % more between 10 000 and 100 000 than between 1 000 and 10 000',
      reached(medians) {
        const [few, some, many] = [1000, 10_000, 100_000].map((count) => medianOf(medians, spell(count)));
        if (few === undefined || some === undefined || many === undefined) return false;
        return (many - some) / 90_000 <= (MOST_ABOVE_LINEAR * (some - few)) / 9000;
      },
    },
  };
}

function spell(count: number): string {
  return count.toLocaleString('en').replaceAll(',', ' ');
}
