// Archives by the million, through the real extraction: as `tazpod vault extract` does it, after the seal. Processes of their
// own do the work; this one watches them, and says what one was about when it dies or hangs.

import { fork } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { deriveKey, saltOf, unseal } from '../lib/seal.ts';
import { OPERATOR_ID } from '../sandbox/namespaces.ts';
import { PROJECT } from '../sandbox/container.ts';
import { PLACES, type Report, type Tally, type Task } from './archives/worker.ts';
import type { Stress, StressContext, StressOutcome } from './stress.ts';

/** tmpfs on every Linux: what an enclave is, too. */
const RAM = '/dev/shm';
const VECTORS = join(PROJECT, 'test/vectors');
/** Two, for what other work leaves of the processors; their archives are the same whatever their number. */
const PROCESSES = 2;
/** Larger samples would take the time of many. */
const LARGEST_SAMPLE = 2000;
/** No archive here takes a hundredth of it. */
const PATIENCE = 60_000; // ms
/** KiB that the process may grow by after its first fifth. */
const MOST_GROWTH = 64 * 1024;
/** In a shorter run a fifth is too early to say what a process needs. */
const SETTLED = 100_000;

export const archives: Stress = {
  name: 'archives',
  summary: 'hostile tars of a grammar, and real ones changed, extracted into RAM',
  unit: 'archives',
  count: 1_000_000,
  oracle:
    'Every archive is extracted as the operator, by what `tazpod vault extract` does, on a tmpfs, under limits of three sizes. It ends with a documented ' +
    'refusal (`malformed-archive`, `refused-entry`, `too-big`; one printable line of bounded length) and nothing is left; or it is opened, and then no file has a special ' +
    'mode bit, another owner, a name or a link that leads outside, or more than the limits allow. Either way what lies beside it is as it was, to the time of its last change. ' +
    'Of a sample, what was opened is packed again and must be the same, with nothing left out; of another, `list` and the check after a save must say the same as the extraction. ' +
    'The process must neither die nor hang nor grow.',
  executable: false,
  run,
};

async function run(context: StressContext): Promise<StressOutcome> {
  const { count, from } = context;
  const opened = await samples();
  const done = Array.from({ length: PROCESSES }, () => 0);
  const share = Math.ceil(count / PROCESSES);
  const tallies = await Promise.all(
    done.map((_, index) => {
      const first = from + index * share;
      const progress = (number: number): void => {
        done[index] = number;
        context.progress(done.reduce((sum, one) => sum + one, 0));
      };
      return workOn({ ...context, from: first, count: Math.min(share, from + count - first), progress }, opened);
    }),
  );
  return outcomeOf(tallies, context);
}

/** A share of the run: a process of its own, in a directory of its own. */
async function workOn(context: StressContext, opened: readonly string[]): Promise<Tally> {
  const uid = process.getuid?.() === 0 ? OPERATOR_ID : undefined;
  const directory = mkdtempSync(join(RAM, 'tazpod-stress-'));
  try {
    const [work, present] = [join(directory, 'work'), join(directory, 'present')];
    mkdirSync(work);
    writeFileSync(present, Buffer.alloc(4 * PLACES), { mode: 0o666 });
    chmodSync(directory, 0o711);
    if (uid !== undefined) for (const path of [work, present]) chownSync(path, uid, uid);
    const { count, from, seed } = context;
    return await haveExtracted({ count, from, seed, directory: work, present, uid, samples: opened }, context);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Has a process work on the task, and hears what it says. */
async function haveExtracted(task: Task, { progress, fail, from }: StressContext): Promise<Tally> {
  const worker = fork(join(import.meta.dirname, 'archives/worker.ts'), {
    env: { ...process.env, UV_THREADPOOL_SIZE: '2' },
  });
  const hung = setTimeout(() => worker.kill('SIGKILL'), PATIENCE);
  try {
    return await new Promise<Tally>((resolve, reject) => {
      let tally: Tally | undefined;
      worker.on('message', (report: Report) => {
        hung.refresh();
        try {
          if ('tally' in report) tally = report.tally;
          else if ('done' in report) progress(report.done);
          else fail(report.item, report.finding);
        } catch (error) {
          reject(error);
        }
      });
      worker.once('error', reject).once('exit', (code, signal) => {
        if (tally !== undefined) return resolve(tally);
        const items = readFileSync(task.present);
        const present = Array.from({ length: PLACES }, (_, index) => items.readUInt32LE(4 * index));
        fail(
          Math.max(from, ...present),
          `the process ended with ${signal ?? code} while it was about items ${present.join(', ')}`,
        );
        reject(new Error('cannot go on without the process that extracts'));
      });
      worker.send(task);
    });
  } finally {
    clearTimeout(hung);
    worker.kill('SIGKILL');
  }
}

function outcomeOf(tallies: readonly Tally[], { fail, from, count }: StressContext): StressOutcome {
  const outcomes: Record<string, number> = {};
  for (const tally of tallies) {
    for (const [code, times] of Object.entries(tally.outcomes)) outcomes[code] = (outcomes[code] ?? 0) + times;
    const [early = 0, late = 0] = [tally.memory[1], tally.memory.at(-1)];
    if (count >= SETTLED && late > early + MOST_GROWTH)
      fail(from, `a process grew from ${early} to ${late} KiB: ${tally.memory.join(', ')}`);
  }
  const most = (figure: (tally: Tally) => number): number => Math.max(...tallies.map(figure));
  const sum = (figure: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + figure(tally), 0);
  const figures = {
    ...outcomes,
    'reasons of refusal': new Set(tallies.flatMap(({ reasons }) => Object.keys(reasons))).size,
    'packed and compared': sum(({ packedAgain }) => packedAgain),
    'MiB of archives': Math.round(sum(({ bytes }) => bytes) / 2 ** 20),
    'longest (ms)': most(({ longest }) => longest),
    processes: tallies.length,
    'MiB of one after a fifth': Math.round(most(({ memory }) => memory[1] ?? 0) / 1024),
    'MiB of one at the end': Math.round(most(({ memory }) => memory.at(-1) ?? 0) / 1024),
  };
  return { figures, peakMemory: most(({ peakMemory }) => peakMemory) };
}

/** The small ones of the test vectors, which other tools made: opened here, so that the worker gets archives only. */
async function samples(): Promise<string[]> {
  const { vectors } = JSON.parse(readFileSync(join(VECTORS, 'manifest.json'), 'utf8')) as {
    readonly vectors: readonly { readonly id: string; readonly expect: string; readonly passphrase: string }[];
  };
  const opened: string[] = [];
  for (const { id, expect, passphrase } of vectors) {
    if (expect !== 'ok') continue;
    const sealed = readFileSync(join(VECTORS, `${id}.tar.aes`));
    if (sealed.length > LARGEST_SAMPLE) continue;
    const key = await deriveKey(Buffer.from(passphrase), saltOf(sealed));
    opened.push(unseal(sealed, key).toString('base64'));
  }
  return opened;
}
