// The floor, for scale: what a compiled program takes that does one step of an unlock and nothing else.

import { join } from 'node:path';
import { execa } from 'execa';

import { PROJECT } from '../sandbox/container.ts';
import type { Benchmark, Figure } from './benchmark.ts';
import { readTimes, timeCommandsLine } from './commands.ts';
import { inMemory } from './workloads.ts';

const ROUNDS = 15;
const SOURCE = join(PROJECT, 'bench/programs/floor.c');
const EMPTY = 'an empty program';

/** Programs and what the compiler is told for each. */
const PROGRAMS = {
  [EMPTY]: [],
  'PBKDF2, 100 000 iterations': ['-DKEY', '-lcrypto'],
  '60 MB filled and copied': ['-DCOPY'],
} as const;

export const floor: Benchmark = {
  name: 'floor',
  async measure(): Promise<Figure[]> {
    await using memory = await inMemory();
    const commands: Record<string, string> = {};
    for (const [index, [name, flags]] of Object.entries(PROGRAMS).entries()) {
      const file = join(memory.path, `floor-${index}`);
      const compiler = await execa('cc', ['-O2', '-o', file, SOURCE, ...flags], { reject: false });
      if (compiler.failed) {
        console.error(
          'floor: left out: it needs a C compiler and OpenSSL’s headers (Debian: apt-get install gcc libssl-dev)',
        );
        return [];
      }
      commands[name] = `exec ${file}`;
    }
    const [file = '', ...args] = timeCommandsLine(ROUNDS, ':', commands);
    const { milliseconds } = readTimes((await execa(file, args)).stdout, commands);
    return [
      {
        title: 'Floor: what compiled C takes',
        unit: 'ms',
        method:
          `${ROUNDS} runs each, in turns: the whole life of a program that does this and nothing else, with the shell that becomes it. ` +
          'The key is derived by OpenSSL; memory is written to for the first time before it is copied, and by the copy.',
        samples: milliseconds,
        reference: EMPTY,
      },
    ];
  },
};
