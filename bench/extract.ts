// `tazpod vault extract` beside what else opens a sealed archive, each a file that it sealed itself. All of it is in memory.

import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

import { TOOL } from '../build/executable.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { readTimes, timeCommandsLine, type Commands } from './commands.ts';
import { PASSPHRASE, peers } from './peers.ts';
import { inMemory, megabytes, makeTree, WORKLOADS, type Workload } from './workloads.ts';

const ROUNDS = 9;
const OURS = 'tazpod';
/** By work load. */
const MOST_OF_OPENSSL = [1.2, 0.9, 0.65, 0.5];

export const extract: Benchmark = {
  name: 'extract',
  async measure(): Promise<Figure[]> {
    const figures: Figure[] = [];
    for (const [index, workload] of WORKLOADS.entries()) {
      figures.push(await measureExtract(workload, MOST_OF_OPENSSL[index] ?? 1));
    }
    return figures;
  },
};

async function measureExtract(workload: Workload, most: number): Promise<Figure> {
  await using memory = await inMemory();
  const [tree, passphrase, out] = ['tree', 'passphrase', 'out'].map((name) => join(memory.path, name)) as Triple;
  await mkdir(tree);
  makeTree(tree, workload);
  await writeFile(passphrase, PASSPHRASE, { mode: 0o600 });

  const vault = join(memory.path, 'vault');
  await execa(TOOL, ['vault', 'create', '--quiet', `--passphrase-file=${passphrase}`, tree, vault]);
  const commands: Record<string, string> = {
    // It makes the directory, whole or not at all.
    [OURS]: `rmdir ${out} && exec ${TOOL} vault extract --quiet --passphrase-file=${passphrase} ${vault} ${out}`,
  };
  for (const [index, { name, seal, open }] of peers(passphrase).entries()) {
    const file = join(memory.path, `sealed-${index}`);
    await shell(seal(tree, file), memory.path);
    commands[name] = open(file, out);
  }
  await rm(tree, { recursive: true });
  const prepare = `rm -rf ${out} && mkdir ${out}`;
  const { milliseconds } = readTimes(await timed(prepare, commands, memory.path), commands);
  return {
    title: `Extract: ${workload.name}`,
    unit: 'ms',
    method:
      `${ROUNDS} runs each, one after the other in turns, from memory to memory. The vault has ${megabytes((await stat(vault)).size)} MB, its ` +
      `contents ${megabytes(workload.bytes)} MB. \`openssl enc -pbkdf2 -iter 100000\`; gpg and age as they come, with a passphrase.`,
    samples: milliseconds,
    reference: 'openssl + tar',
    bar: {
      text: `at most ${most} × openssl + tar`,
      reached: (medians) => medianOf(medians, OURS) <= most * medianOf(medians, 'openssl + tar'),
    },
  };
}

type Triple = [string, string, string];

async function timed(prepare: string, commands: Commands, home: string): Promise<string> {
  const [file = '', ...args] = timeCommandsLine(ROUNDS, prepare, commands);
  return (await execa(file, args, { env: { GNUPGHOME: home } })).stdout;
}

async function shell(lines: string, home: string): Promise<void> {
  await execa('sh', ['-c', lines], { env: { GNUPGHOME: home } });
}
