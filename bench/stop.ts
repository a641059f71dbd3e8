// From the signal of `docker stop` to the end of PID 1, with a developer's vault unlocked and changed: it is saved, wiped and
// unmounted in between. Beside it tini and a shell script, which save nothing.

import { join } from 'node:path';
import { execa } from 'execa';

import { PROJECT } from '../sandbox/container.ts';
import { Output } from '../test/support/output.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { interleaved, WITH_VAULT } from './contestants.ts';
import { quiet } from './process.ts';
import { Samples } from './samples.ts';
import { UNLOCKING, vaultSandbox, type Sealed } from './vault-container.ts';
import { DEVELOPER, sealTree } from './workloads.ts';

const ROUNDS = 15;
export const MOST_BEHIND = 250; // ms
const NOTE_END = join(PROJECT, 'bench/programs/note-end');
const [OURS, PEER] = WITH_VAULT;

/** The command: it changes the vault, and ends at SIGTERM. */
export const CHANGE_AND_WAIT = [
  '/bin/sh',
  '-c',
  'date +%N >/home/tazpod/secrets/changed; echo ready; exec sleep infinity',
] as const;

export const stop: Benchmark = {
  name: 'stop',
  async measure(): Promise<Figure[]> {
    const sealed = await sealTree(DEVELOPER);
    const samples = new Samples();
    for (const { name, init } of interleaved(WITH_VAULT, ROUNDS)) {
      samples.add(name, await timeStop(sealed, [...init, ...CHANGE_AND_WAIT]));
    }
    return [
      {
        title: 'Stop: from SIGTERM to the end of PID 1',
        unit: 'ms',
        method:
          `${ROUNDS} containers each, a developer’s vault with a change that is not saved; the command ends at once. Ours saves it (read ` +
          'back, checked and synced), wipes and unmounts the enclave; the script saves nothing.',
        samples,
        reference: PEER.name,
        bar: {
          text: `at most ${MOST_BEHIND} ms more than ${PEER.name}`,
          reached: (medians) => medianOf(medians, OURS.name) <= medianOf(medians, PEER.name) + MOST_BEHIND,
        },
      },
    ];
  },
};

/** Milliseconds. */
async function timeStop(sealed: Sealed, command: readonly string[]): Promise<number> {
  await using sandbox = await vaultSandbox(sealed);
  const running = await sandbox.start(command, { environment: UNLOCKING });
  await running.stdout.waitFor('ready\n');
  const watcher = execa(NOTE_END, [String(running.pid)]);
  const noted = new Output(watcher.stdout);
  await noted.waitFor('watching\n');
  await quiet(running.pid);
  const sent = process.hrtime.bigint();
  running.signal('SIGTERM');
  const [, ended] = await noted.waitFor(/^(\d+)\n/);
  await watcher;
  return (Number(ended) - Number(sent)) / 1e6;
}
