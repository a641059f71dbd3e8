// The control socket of a real PID 1 in a container of its own: garbage, floods, requests in any order on many connections, and
// real unlocks and locks among them. After every round PID 1 is looked at from outside.

import { readdir, readFile } from 'node:fs/promises';

import { BRIDGE_TARGET, ENCLAVE } from '../lib/paths.ts';
import { parseMountinfo } from '../sandbox/mountinfo.ts';
import { OPERATOR_ID } from '../sandbox/namespaces.ts';
import { Control } from '../test/support/control.ts';
import { createPod, startPod, WAIT, WITH_SECRET } from '../test/support/pod.ts';
import type { Running } from '../test/support/sandbox.ts';
import { flooded, orderly, refused, Finding } from './protocol/rounds.ts';
import { Random } from './random.ts';
import { TooManyFailures, type Stress, type StressContext, type StressOutcome } from './stress.ts';

const TOOL_EVERY = 50;
/** KiB that PID 1 may grow by in the second half of a run: in the first V8 makes itself at home. */
const MOST_GROWTH = 16 * 1024;
/** In a shorter run that takes longer than half of it. */
const SETTLED = 400_000;
/** Of one `status`: what a person notices. On a busy machine most of it is other work. */
const SLOWEST = 2000; // ms
/** How often PID 1 is asked until it has closed what we closed. */
const PATIENCE = 200;

export const protocol: Stress = {
  name: 'protocol',
  summary: 'garbage and requests in any order at the control socket of a real PID 1',
  unit: 'messages',
  count: 400_000,
  oracle:
    'Rounds of three kinds: requests in random order on four connections that come and go, each answered as a model of the states and turns says; garbage, line by line, each ' +
    'refused with `usage`; floods on up to 80 connections, cut anywhere, closed or dropped at any moment. Every 50 rounds the operator’s `tazpod` unlocks and locks meanwhile. After each ' +
    `round the vault is locked, nothing of the enclave is mounted, PID 1 answers a \`status\` within ${SLOWEST / 1000} s and holds as many descriptors as before; in the second half its memory does not grow.`,
  executable: true,
  run,
};

interface Tally {
  rounds: number;
  sent: number;
  unlocks: number;
  slowest: number;
  readonly memory: number[];
}

async function run({ count, from, seed, progress, fail }: StressContext): Promise<StressOutcome> {
  await using pod = await createPod();
  const running = await startPod(pod, WAIT, {
    ...WITH_SECRET,
    variables: { ...WITH_SECRET.variables, TAZPOD_UNLOCK: 'never', TAZPOD_AUTOSAVE: 'off', TAZPOD_LOG_LEVEL: 'fatal' },
  });
  await running.stdout.waitFor('ready');
  const tally: Tally = { rounds: 0, sent: 0, unlocks: 0, slowest: 0, memory: [] };
  const descriptors = await settle(running, tally);
  for (let round = from; tally.sent < count; round++) {
    try {
      tally.sent += await play(running, new Random(seed, round), round, tally);
      const left = await settle(running, tally, descriptors);
      if (left > descriptors) throw new Finding(`PID 1 has ${left} descriptors, ${descriptors} before`);
    } catch (error) {
      fail(round, error instanceof Finding ? error.message : String(error instanceof Error ? error.stack : error));
      if (!(await isAlive(running))) {
        const { code, signal } = await running.exited;
        fail(round, `PID 1 ended with ${signal ?? code}: ${await running.stderr.whole()}`);
        throw new TooManyFailures();
      }
      await settle(running, tally).catch(() => undefined);
    }
    tally.rounds += 1;
    while (tally.memory.length < Math.floor((10 * tally.sent) / count)) tally.memory.push(await memoryOf(running));
    progress(Math.min(count, tally.sent));
  }
  const [early = 0, late = 0] = [tally.memory[4], tally.memory.at(-1)];
  if (count >= SETTLED && late > early + MOST_GROWTH)
    fail(from, `PID 1 grew from ${early} to ${late} KiB: ${tally.memory.join(', ')}`);
  const status = await readFile(`/proc/${running.pid}/status`, 'latin1');
  const figures = {
    rounds: tally.rounds,
    'messages sent': tally.sent,
    'unlocks and locks by tazpod': tally.unlocks,
    'slowest status (ms)': Math.round(tally.slowest),
    'descriptors of PID 1, before and after': descriptors,
    'KiB of PID 1 at half': early,
    'KiB of PID 1 at the end': late,
  };
  return { figures, peakMemory: Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) };
}

/** Plays one round; answers how many messages were sent. */
async function play(running: Running, random: Random, round: number, tally: Tally): Promise<number> {
  if (round % TOOL_EVERY === TOOL_EVERY - 1) {
    tally.unlocks += 1;
    const [messages] = await Promise.all([
      (async () => (await refused(running, random)) + (await flooded(running, random)))(),
      unlockAndLock(running),
    ]);
    return messages;
  }
  switch (random.below(5)) {
    case 0:
      return flooded(running, random);
    case 1:
    case 2:
      return refused(running, random);
    default:
      return orderly(running, random);
  }
}

/** As the operator, whatever else is said to PID 1 meanwhile. */
async function unlockAndLock(running: Running): Promise<void> {
  for (const verb of [
    ['unlock', '--passphrase-file', '/run/secrets/passphrase'],
    ['status', '--unlocked'],
    ['save'],
    ['lock'],
  ]) {
    const { code, stderr } = await running.exec(['tazpod', ...verb], { user: OPERATOR_ID });
    if (code !== 0) throw new Finding(`tazpod ${verb.join(' ')} ended with ${code}: ${stderr}`);
  }
}

/**
 * Locks, and looks at PID 1 from outside.
 * @returns how many descriptors it has when it has closed what we closed
 */
async function settle(running: Running, tally: Tally, expected = Number.POSITIVE_INFINITY): Promise<number> {
  using client = await Control.connect(running);
  await client.request({ op: 'close' });
  let descriptors = 0;
  for (let attempt = 0; attempt < PATIENCE; attempt++) {
    const began = performance.now();
    const { state } = await client.request({ op: 'status' });
    const took = performance.now() - began;
    tally.slowest = Math.max(tally.slowest, took);
    if (state !== 'locked') throw new Finding(`after \`close\` the state is ${state}`);
    if (took > SLOWEST) throw new Finding(`PID 1 took ${took.toFixed(0)} ms to answer a status`);
    descriptors = (await readdir(`/proc/${running.pid}/fd`)).length;
    if (descriptors <= expected) break;
  }
  const mounts = parseMountinfo(await readFile(`/proc/${running.pid}/mountinfo`, 'utf8'));
  const left = mounts.filter(({ point }) => point.startsWith(ENCLAVE) || point.startsWith(BRIDGE_TARGET));
  if (left.length > 0) throw new Finding(`still mounted: ${left.map(({ point }) => point).join(', ')}`);
  return descriptors;
}

async function isAlive(running: Running): Promise<boolean> {
  // One that has just died is a zombie until its parent knows.
  const state = await readFile(`/proc/${running.pid}/stat`, 'latin1').catch(() => '');
  return /\) [RSDT] /.test(state);
}

/** KiB. */
async function memoryOf(running: Running): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${running.pid}/status`, 'latin1'))?.[1]);
}
