// The most memory that the tool needs to unlock and to save, and what PID 1 has while the vault is locked, unlocked, and locked
// again and again.

import { dirname } from 'node:path';

import { VAULT_FILE } from '../lib/paths.ts';
import { Sandbox, type Running } from '../test/support/sandbox.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { readTimes, timeCommandsLine } from './commands.ts';
import { BARE_NODE, startIdle } from './idle.ts';
import { quiet, readMemory } from './process.ts';
import { Samples } from './samples.ts';
import { PASSPHRASE_FILE, runUnlocked, startUnlocked, vaultSandbox, type Sealed } from './vault-container.ts';
import { INCOMPRESSIBLE, sealTree, WORKLOADS } from './workloads.ts';

const RUNS = 3;
const TIMES_VAULT = 3;
const BESIDE_VAULT = 80_000_000;

/** Lock and unlock, again and again. */
const FEW = 10;
const MANY = 100;
/** What it goes on with, for who wants to see: nothing must be reached. */
const MORE = 200;
const MOST_TIMES_NODE = 1.5;
/** Less than a page for each round would be 360 KiB. */
const MOST_GROWTH = 1.03;

export const memory: Benchmark = {
  name: 'memory',
  async measure(): Promise<Figure[]> {
    return [...(await measureWorkers()), await measureInit()];
  },
};

const WORKERS = {
  unlock: {
    prepare: 'tazpod lock --discard --quiet',
    command: `exec tazpod unlock --quiet --passphrase-file=${PASSPHRASE_FILE}`,
  },
  save: {
    // As good as another vault: nothing on disk is what was saved last.
    prepare: `date +%N >/home/tazpod/secrets/changed`,
    command: 'exec tazpod save --quiet',
  },
} as const;

async function measureWorkers(): Promise<Figure[]> {
  const peaks = { unlock: new Samples(), save: new Samples() };
  const limits: Record<string, number> = {};
  for (const workload of WORKLOADS) {
    const sealed = await sealTree(workload);
    limits[workload.name] = (TIMES_VAULT * sealed.vault.length + BESIDE_VAULT) / 2 ** 20;
    for (const verb of ['unlock', 'save'] as const) {
      for (const peak of await peaksOf(sealed, WORKERS[verb])) peaks[verb].add(workload.name, peak);
    }
  }
  return (['unlock', 'save'] as const).map((verb) => ({
    title: `Peak memory: tazpod ${verb}`,
    unit: 'MiB',
    method: `${RUNS} runs in a container for each work load; resident (\`ru_maxrss\` of wait4(2)), an idle Node’s 45 MiB included.`,
    samples: peaks[verb],
    bar: {
      text: `at most ${TIMES_VAULT} × the vault file + 80 MB: ${Object.values(limits)
        .map((limit) => limit.toFixed(0))
        .join(', ')} MiB`,
      reached: (medians) => Object.entries(limits).every(([name, limit]) => medianOf(medians, name) <= limit),
    },
  }));
}

async function peaksOf(
  sealed: Sealed,
  { prepare, command }: (typeof WORKERS)[keyof typeof WORKERS],
): Promise<number[]> {
  await using sandbox = await vaultSandbox(sealed);
  // Not from within the enclave, which could not be unmounted then.
  const line = ['/usr/bin/env', '--chdir=/', ...timeCommandsLine(RUNS, prepare, { it: command })];
  const { peak } = readTimes(await runUnlocked(sandbox, line, { TAZPOD_ENCLAVE_SIZE: '256m' }), { it: command });
  return [peak.summaries()['it']?.highest ?? Number.NaN];
}

const STATES = {
  locked: 'locked',
  unlocked: 'unlocked, 40 MB',
  few: `locked, after ${FEW} unlocks`,
  many: `locked, after ${MANY} unlocks`,
  more: `locked, after ${MORE} unlocks`,
} as const;

async function measureInit(): Promise<Figure> {
  const samples = new Samples();
  await using stack = new AsyncDisposableStack();
  const sealed = await sealTree(INCOMPRESSIBLE);
  const measure = async (state: string, inits: readonly Running[]): Promise<void> => {
    for (const { pid } of inits) {
      await quiet(pid);
      samples.add(state, (await readMemory(pid)).private);
    }
  };
  // Two of each: what both map of one file is shared then, as it is wherever an image runs more than once.
  const [ours, nodes]: [Running[], Running[]] = [[], []];
  for (let index = 0; index < 2; index++) {
    nodes.push(await startIdle(stack.use(await Sandbox.create()), BARE_NODE));
    const sandbox = stack.use(await vaultSandbox(sealed));
    ours.push(
      await startUnlocked(sandbox, ['/bin/sh', '-c', 'echo ready; cd /; exec sleep infinity'], {
        TAZPOD_UNLOCK: 'never',
        TAZPOD_AUTOSAVE: 'on',
      }),
    );
  }
  for (const running of ours) await running.stdout.waitFor('ready\n');
  await measure(BARE_NODE.name, nodes);
  await measure(STATES.locked, ours);
  await Promise.all(ours.map((running) => rounds(running, 1, 'unlock')));
  await measure(STATES.unlocked, ours);
  await Promise.all(ours.map((running) => rounds(running, FEW, 'lock')));
  await measure(STATES.few, ours);
  await Promise.all(ours.map((running) => rounds(running, MANY - FEW, 'unlock-lock')));
  await measure(STATES.many, ours);
  await Promise.all(ours.map((running) => rounds(running, MORE - MANY, 'unlock-lock')));
  await measure(STATES.more, ours);
  return {
    title: 'Memory: private, of PID 1 with a vault',
    unit: 'KiB',
    method:
      'Two containers at a time (`Private_Clean` + `Private_Dirty` of `/proc/PID/smaps_rollup`), with a vault of 40 MB that is unlocked ' +
      'and locked from the shell again and again; autosave is on.',
    samples,
    reference: BARE_NODE.name,
    bar: {
      text: `at most ${MOST_TIMES_NODE} × an idle bare Node’s, and no more after ${MANY} unlocks than after ${FEW}`,
      reached: (medians) =>
        Object.values(STATES).every(
          (state) => medianOf(medians, state) <= MOST_TIMES_NODE * medianOf(medians, BARE_NODE.name),
        ) && medianOf(medians, STATES.many) <= MOST_GROWTH * medianOf(medians, STATES.few),
    },
  };
}

/** Unlocks and locks `count` times, or only the one of them at the ends that is not done yet. */
async function rounds(running: Running, count: number, ends: 'unlock' | 'lock' | 'unlock-lock'): Promise<void> {
  const { command } = WORKERS.unlock;
  const [unlock, lock] = [command.replace('exec ', ''), 'tazpod lock --discard --quiet'];
  const script = {
    unlock,
    lock: `${lock}; for i in $(seq 2 ${count}); do ${unlock}; ${lock}; done`,
    'unlock-lock': `for i in $(seq ${count}); do ${unlock}; ${lock}; done`,
  }[ends];
  const { code, stderr } = await running.exec(['/bin/sh', '-ec', `cd ${dirname(VAULT_FILE)}; ${script}`], {
    user: 1000,
  });
  if (code !== 0) throw new Error(`cannot unlock and lock: ${stderr}`);
}
