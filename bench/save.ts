// `tazpod save` beside what else packs and seals a directory, in the same container, from the same enclave to the same disk. Ours
// also reads back and checks what it wrote and has it on the disk (fsync(2)) before it takes the old vault's place: its peers do not.

import { dirname } from 'node:path';

import { ENCLAVE, VAULT_FILE } from '../lib/paths.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { readTimes, timeCommandsLine, type Timed } from './commands.ts';
import { peers, type Peer } from './peers.ts';
import type { Samples } from './samples.ts';
import { PASSPHRASE_FILE, runUnlocked, vaultSandbox } from './vault-container.ts';
import { megabytes, sealTree, WORKLOADS, type Workload } from './workloads.ts';

const ROUNDS = 9;
const OURS = 'tazpod save';
/** By work load. */
const MOST_OF_OPENSSL = [0.7, 0.45, 0.55, 0.55];

const PEERS = peers(PASSPHRASE_FILE);

const FILES = `find ${ENCLAVE} -type f ! -name .vault_pass`;
const CHANGE_ALL = `${FILES} -exec sh -c 'for f; do printf x >>"$f"; done' sh {} +`;
const CHANGE_ONE = `printf x >>"$(${FILES} -print -quit)"`;

export const save: Benchmark = {
  name: 'save',
  async measure(): Promise<Figure[]> {
    const figures: Figure[] = [];
    for (const [index, workload] of WORKLOADS.entries()) {
      const all = await measureSave(workload, CHANGE_ALL, PEERS);
      const one = await measureSave(workload, CHANGE_ONE, PEERS.slice(0, 1));
      figures.push(
        figure(`Save: ${workload.name}, everything changed`, workload, all.milliseconds, MOST_OF_OPENSSL[index]),
        figure(`Save: ${workload.name}, one file changed`, workload, one.milliseconds),
      );
    }
    return figures;
  },
};

async function measureSave(workload: Workload, change: string, others: readonly Peer[]): Promise<Timed> {
  await using sandbox = await vaultSandbox(await sealTree(workload));
  const file = `${dirname(VAULT_FILE)}/peer`;
  const commands = {
    [OURS]: 'exec tazpod save --quiet',
    ...Object.fromEntries(
      others.map(({ name, seal }) => [name, `${seal(ENCLAVE, `${file}.new`)} && mv ${file}.new ${file}`]),
    ),
  };
  const printed = await runUnlocked(sandbox, timeCommandsLine(ROUNDS, change, commands), {
    TAZPOD_ENCLAVE_SIZE: '256m',
    GNUPGHOME: '/tmp',
  });
  return readTimes(printed, commands);
}

function figure(title: string, workload: Workload, samples: Samples, most?: number): Figure {
  return {
    title,
    unit: 'ms',
    method: `${ROUNDS} runs each, in turns, in one container with ${megabytes(workload.bytes)} MB in the enclave, to a file on disk.`,
    samples,
    reference: 'openssl + tar',
    ...(most === undefined
      ? {}
      : {
          bar: {
            text: `at most ${most} × openssl + tar`,
            reached: (medians) => medianOf(medians, OURS) <= most * medianOf(medians, 'openssl + tar'),
          },
        }),
  };
}
