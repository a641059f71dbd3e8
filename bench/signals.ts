// From a signal that is sent to the init to the handler of the command that it forwards it to.

import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { PROJECT } from '../sandbox/container.ts';
import { openPipe } from '../sandbox/native.ts';
import { Sandbox } from '../test/support/sandbox.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { CONTESTANTS, interleaved, NO_INIT, OURS, REFERENCE, type Contestant } from './contestants.ts';
import { Samples } from './samples.ts';

const ROUNDS = 3;
const SIGNALS = 1000;
const MOST_TIMES = 2;
const ANSWER_SIGNALS = join(PROJECT, 'bench/programs/answer-signals');
const SEND_SIGNALS = join(PROJECT, 'bench/programs/send-signals');

export const signals: Benchmark = {
  name: 'signals',
  async measure(): Promise<Figure[]> {
    const samples = new Samples();
    for (const contestant of interleaved([...CONTESTANTS, NO_INIT], ROUNDS)) {
      samples.add(contestant.name, ...(await timeSignals(contestant)));
    }
    return [
      {
        title: 'Signal: from the sender to the command’s handler',
        unit: 'µs',
        method:
          `${ROUNDS} × ${SIGNALS} SIGUSR1 each, one after the other, 1 to 2 ms apart, from outside the container; the command’s handler notes the clock. ` +
          '“No init” is the same signal sent to the command itself.',
        samples,
        tail: true,
        bar: {
          text: `median at most ${MOST_TIMES} × tini’s`,
          reached: (medians) => medianOf(medians, OURS.name) <= MOST_TIMES * medianOf(medians, REFERENCE.name),
        },
      },
    ];
  },
};

/** Microseconds. */
async function timeSignals({ wrap, environment }: Contestant): Promise<number[]> {
  await using sandbox = await Sandbox.create();
  const answers = openPipe();
  const running = await sandbox.start(wrap([ANSWER_SIGNALS]), { environment, stdout: answers.write });
  closeSync(answers.write);
  const { stdout } = spawn(SEND_SIGNALS, [String(running.pid), String(SIGNALS)], {
    stdio: [answers.read, 'pipe', 'inherit'],
  });
  closeSync(answers.read);
  const times = stdout === null ? [] : (await text(stdout)).trimEnd().split('\n');
  if (times.length !== SIGNALS) throw new Error(`cannot time signals: ${times.length} of ${SIGNALS} were answered`);
  return times.map((time) => Number(time) / 1e3);
}
