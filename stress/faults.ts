// Every step of an unlock made to fail: at each system call of PID 1's and of the tool's the kernel refuses it, or a signal
// comes, or the connection ends. Which calls there are is found by an unlock to which nothing happens; the first items are each
// of them with each fault, once. From seed and number what comes after those is made.

import { requireProgram } from '../build/debian.ts';
import { FaultedUnlock, type Side } from '../test/support/faulted-unlock.ts';
import type { Fault, SystemCall } from '../test/support/system-calls.ts';
import { Random } from './random.ts';
import type { Stress, StressContext, StressOutcome } from './stress.ts';

interface Item {
  readonly side: Side;
  readonly call: SystemCall;
  readonly fault: Fault;
}

/** Containers at work at the same time. */
const LANES = 3;
const ERRORS = ['ENOSPC', 'EPERM', 'EBUSY', 'EIO'] as const;
/** The worker is killed; PID 1 is told to stop. */
const SIGNALS = { tazpod: 'SIGKILL', 'PID 1': 'SIGTERM' } as const;

export const faults: Stress = {
  name: 'faults',
  summary: 'unlocks with a fault at one system call, at every one in turn',
  unit: 'faults',
  count: 850,
  oracle:
    `At each system call that PID 1 or \`tazpod\` makes in an unlock: ${ERRORS.join(', ')}; a SIGKILL for \`tazpod\`, a SIGTERM for PID 1; ` +
    'for a read, the end of the file or of the connection. (Reads and writes of PID 1, which are its event loop’s as well, are not refused.) Then the vault is unlocked, with all that was in it, or locked: nothing is mounted, ' +
    'nothing is on disk, and `tazpod` has said why. PID 1 has as many files open as before, the next unlock works, the lock after it, too, ' +
    'and the vault file is as it was. A container that is told to stop ends, and leaves nothing.',
  executable: true,
  run,
};

async function run({ count, from, seed, progress, fail }: StressContext): Promise<StressOutcome> {
  await requireProgram('strace', 'strace');
  await using lanes = new AsyncDisposableStack();
  const unlocks: FaultedUnlock[] = [];
  for (let lane = 0; lane < LANES; lane++) unlocks.push(lanes.use(await FaultedUnlock.create()));
  const items: Item[] = [];
  const figures = {
    'calls of PID 1': 0,
    'calls of tazpod': 0,
    'different faults': 0,
    'unlocked all the same': 0,
    'refused, and nothing left': 0,
    'ended the container': 0,
    'came to another end before the call': 0,
  };
  for (const side of ['PID 1', 'tazpod'] as const) {
    const calls = (await unlocks[0]?.callsOf(side)) ?? [];
    figures[`calls of ${side}`] = calls.length;
    items.push(...calls.flatMap((call) => faultsOf(side, call).map((fault) => ({ side, call, fault }))));
  }
  figures['different faults'] = items.length;
  if (count === faults.count && count < items.length) throw new Error(`cannot have ${items.length} faults in ${count}`);
  let next = from;
  let done = 0;
  const work = async (unlock: FaultedUnlock): Promise<void> => {
    for (let number = next++; number < from + count; number = next++) {
      const item = items[number] ?? items[new Random(seed, number).below(items.length)];
      if (item === undefined) throw new Error('cannot find a call that an unlock makes');
      const { side, call, fault } = item;
      try {
        const { reached, unlocked, ended } = await unlock.try(side, call, fault);
        if (!reached) figures['came to another end before the call'] += 1;
        else if (ended) figures['ended the container'] += 1;
        else figures[unlocked ? 'unlocked all the same' : 'refused, and nothing left'] += 1;
      } catch (error) {
        const what = `${side}, ${call.name} ${call.nth} (${call.text.slice(0, 80)}), ${JSON.stringify(fault)}`;
        fail(number, `${what}: ${String(error)}`);
      }
      progress((done += 1));
    }
  };
  await Promise.all(unlocks.map(work));
  return { figures };
}

/** Reads and writes of PID 1 are its event loop's, too, which knows no error of theirs but to end: they do not fail, but end. */
function faultsOf(side: Side, { name }: SystemCall): Fault[] {
  const isLoops = side === 'PID 1' && (name === 'read' || name === 'write');
  return [
    ...(isLoops ? [] : ERRORS.map((error) => ({ error }))),
    { signal: SIGNALS[side] },
    ...(name === 'read' ? [{ returns: 0 }] : []),
  ];
}
