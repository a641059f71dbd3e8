// What an init costs while nothing happens: wake-ups, CPU time, memory. All run at the same time.
// Of each there are two containers: what both map of one file is shared then, as it is wherever an image runs more than once.

import { setTimeout as delay } from 'node:timers/promises';

import { Sandbox, type Running } from '../test/support/sandbox.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { CONTESTANTS, interleaved, NO_INIT, OURS, type Contestant } from './contestants.ts';
import { quiet, readActivity, readMemory } from './process.ts';
import { Samples } from './samples.ts';
import { UNLOCKING, vaultSandbox } from './vault-container.ts';
import { DEVELOPER, sealTree } from './workloads.ts';

const ROUNDS = 2;
/** Longer than V8 waits before it begins to clean up: 30 s. */
const WINDOW = 40_000; // ms
const MOST_TIMES_NODE = 1.5;

/** What a process of our kind has at the least: the same Node, waiting. It runs nothing. */
export const BARE_NODE: Contestant = {
  name: 'bare Node',
  wrap: () => [process.execPath, '-e', 'console.log("ready"); setInterval(() => {}, 2 ** 31 - 1)'],
  environment: NO_INIT.environment,
};

const UNLOCKED: Contestant = {
  ...OURS,
  name: `${OURS.name}, unlocked`,
  environment: { ...UNLOCKING, TAZPOD_AUTOSAVE: 'on' },
};

export const idle: Benchmark = {
  name: 'idle',
  async measure(): Promise<Figure[]> {
    const switches = new Samples();
    const cpu = new Samples();
    const proportional = new Samples();
    const own = new Samples();
    const sealed = await sealTree(DEVELOPER);
    for (let round = 0; round < ROUNDS; round++) {
      await using stack = new AsyncDisposableStack();
      const idlers: { readonly name: string; readonly running: Running }[] = [];
      for (const contestant of interleaved([...CONTESTANTS, UNLOCKED, BARE_NODE], 2)) {
        const sandbox = stack.use(await (contestant === UNLOCKED ? vaultSandbox(sealed) : Sandbox.create()));
        idlers.push({ name: contestant.name, running: await startIdle(sandbox, contestant) });
      }
      await Promise.all(idlers.map(({ running }) => quiet(running.pid)));
      const before = await Promise.all(idlers.map(({ running }) => readActivity(running.pid)));
      const began = performance.now();
      await delay(WINDOW);
      const after = await Promise.all(idlers.map(({ running }) => readActivity(running.pid)));
      const seconds = (performance.now() - began) / 1000;
      for (const [index, { name, running }] of idlers.entries()) {
        const [then, now] = [before[index], after[index]];
        if (then === undefined || now === undefined) continue;
        switches.add(name, (now.voluntarySwitches - then.voluntarySwitches) / seconds);
        cpu.add(name, (now.cpuNanoseconds - then.cpuNanoseconds) / 1e3 / seconds);
        const memory = await readMemory(running.pid);
        proportional.add(name, memory.proportional);
        own.add(name, memory.private);
      }
    }
    const idleFor = `${2 * ROUNDS} idle containers each, ${WINDOW / 1000} s`;
    const twice = `${2 * ROUNDS} idle containers each, two at a time`;
    return [
      {
        title: 'Idle: voluntary context switches a second',
        unit: 'a second',
        method: `${idleFor}, all threads (\`/proc/PID/task/*/status\`).`,
        samples: switches,
        bar: {
          text: '0, locked and unlocked',
          reached: (medians) => [OURS, UNLOCKED].every(({ name }) => medianOf(medians, name) === 0),
        },
      },
      {
        title: 'Idle: CPU time a second',
        unit: 'µs',
        method: `${idleFor}, all threads (\`/proc/PID/task/*/schedstat\`).`,
        samples: cpu,
      },
      {
        title: 'Memory: private',
        unit: 'KiB',
        method: `${twice} (\`Private_Clean\` + \`Private_Dirty\` of \`/proc/PID/smaps_rollup\`): what a container more costs.`,
        samples: own,
        bar: {
          text: `at most ${MOST_TIMES_NODE} × an idle bare Node’s`,
          reached: (medians) =>
            [OURS, UNLOCKED].every(
              ({ name }) => medianOf(medians, name) <= MOST_TIMES_NODE * medianOf(medians, BARE_NODE.name),
            ),
        },
      },
      {
        title: 'Memory: proportional (PSS)',
        unit: 'KiB',
        method: `${twice} (\`Pss\`): the private memory and half of what the two share.`,
        samples: proportional,
      },
    ];
  },
};

export async function startIdle(sandbox: Sandbox, { wrap, environment }: Contestant): Promise<Running> {
  const running = await sandbox.start(wrap(['/bin/sh', '-c', 'echo ready; exec sleep infinity']), { environment });
  await running.stdout.waitFor('ready\n');
  return running;
}
