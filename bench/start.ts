// From the execution of the init to the command's first instruction, the container already made. Every run is a fresh container.
// The command is `date +%s%N`, which looks at the clock as good as first thing.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { PROJECT } from '../sandbox/container.ts';
import { ENVIRONMENT, Sandbox } from '../test/support/sandbox.ts';
import { placeVault } from '../test/support/vault.ts';
import { type Benchmark, type Figure } from './benchmark.ts';
import { CONTESTANTS, interleaved, NO_INIT, OURS, type Contestant } from './contestants.ts';
import { Samples } from './samples.ts';

const ROUNDS = 15;
const NOTE_START = join(PROJECT, 'bench/programs/note-start');
/** 300 files, as a developer has them; sealed with this passphrase. */
const VAULT = join(PROJECT, 'test/vectors/dev-300.tar.aes');
const PASSPHRASE = 'dev vault';

interface Run extends Contestant {
  readonly vault?: Buffer;
}

export const start: Benchmark = {
  name: 'start',
  async measure(): Promise<Figure[]> {
    const unlocking: Run = {
      ...OURS,
      name: `${OURS.name}, unlocking`,
      environment: { ...ENVIRONMENT, TAZPOD_UNLOCK: 'required', TAZPOD_PASSPHRASE: PASSPHRASE },
      vault: await readFile(VAULT),
    };
    const samples = new Samples();
    for (const run of interleaved<Run>([...CONTESTANTS, unlocking, NO_INIT], ROUNDS)) {
      samples.add(run.name, await timeStart(run));
    }
    return [
      {
        title: 'Start: from exec to the command’s first instruction',
        unit: 'ms',
        method:
          `${ROUNDS} fresh containers each; \`date +%s%N\` as the command, less the clock just before the init’s execve(2). ` +
          '“No init” is the command’s own start, which is in every figure. “Unlocking” decrypts and extracts a vault of 300 files before the command.',
        samples,
      },
    ];
  },
};

/** Milliseconds. */
async function timeStart({ wrap, environment, vault }: Run): Promise<number> {
  await using sandbox = await Sandbox.create();
  if (vault !== undefined) await placeVault(sandbox.bundle, vault);
  const running = await sandbox.start([NOTE_START, ...wrap(['/bin/date', '+%s%N'])], { environment });
  const { code } = await running.exited;
  const [executed, began] = (await running.stdout.whole()).split('\n');
  if (code !== 0 || !began) throw new Error(`cannot time the start: ${await running.stderr.whole()}`);
  return Number(BigInt(began) - BigInt(executed ?? '')) / 1e6;
}
