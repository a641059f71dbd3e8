// What a person waits for with a real engine: from `docker run -it` to the shell's prompt, and from `docker stop` until the
// container is gone, of a developer's vault. In the same image, which has what the shell script needs, too.

import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';

import { buildImage } from '../build/container-image.ts';
import { findBuildClient } from '../build/docker-client.ts';
import { holdEngine, whyNoEngine } from '../test/support/engine-lease.ts';
import { EngineTerminal } from '../test/support/engine-terminal.ts';
import { MAY_MOUNT } from '../test/support/image.ts';
import { Output } from '../test/support/output.ts';
import { medianOf, type Benchmark, type Figure } from './benchmark.ts';
import { interleaved, SCRIPT, WITH_VAULT } from './contestants.ts';
import { PASSPHRASE } from './peers.ts';
import { quiet } from './process.ts';
import { Samples } from './samples.ts';
import { CHANGE_AND_WAIT, MOST_BEHIND } from './stop.ts';
import { PASSPHRASE_FILE, placeSealed, UNLOCK } from './vault-container.ts';
import { DEVELOPER, sealTree } from './workloads.ts';

const ROUNDS = 11;
const [OURS, PEER] = WITH_VAULT;
const LABEL = `tazpod.bench=${process.pid}`;
const PLAIN_IMAGE = 'tazpod-bench:plain';
const IMAGE = 'tazpod-bench:with-peers';
const WITH_PEERS = `
FROM ${PLAIN_IMAGE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends openssl tini
COPY shell-entrypoint ${SCRIPT}
`;

/** A container's first process, and flags of `docker run` that only it has. */
interface Contestant {
  readonly name: string;
  readonly init: readonly string[];
  readonly flags?: readonly string[];
}

/** The engine's own time, and the shell's: there is no vault, and nobody to become. */
const NO_INIT: Contestant = {
  name: 'no init, no vault',
  init: [],
  flags: ['--user', '1000', '--env', 'HOME=/home/tazpod'],
};

export const docker: Benchmark = {
  name: 'docker',
  async measure(): Promise<Figure[]> {
    const problem = await whyNoEngine();
    if (problem !== '') {
      console.error(`docker: left out: ${problem}`);
      return [];
    }
    await using undo = new AsyncDisposableStack();
    undo.use(await holdEngine(LABEL));
    undo.defer(async () => {
      await execa('docker', ['image', 'rm', '--force', IMAGE, PLAIN_IMAGE], { reject: false });
    });
    await buildImage({ tag: PLAIN_IMAGE, quiet: true });
    await execa(
      await findBuildClient(),
      ['build', '--network', 'host', '--tag', IMAGE, '--file', '-', dirname(SCRIPT)],
      {
        input: WITH_PEERS,
        env: { DOCKER_BUILDKIT: '1' },
      },
    );
    const { stdout: version } = await execa('docker', ['version', '--format', '{{.Server.Version}}']);

    const project = undo.use(await makeProject());
    const [prompt, gone] = [new Samples(), new Samples()];
    for (const contestant of interleaved<Contestant>([...WITH_VAULT, NO_INIT], ROUNDS)) {
      prompt.add(contestant.name, await timeToPrompt(contestant, project.flags));
    }
    for (const contestant of interleaved<Contestant>(WITH_VAULT, ROUNDS)) {
      gone.add(contestant.name, await timeToGone(contestant, project.flags));
    }
    const containers = `${ROUNDS} containers each, Docker ${version}; a developer’s vault (300 files, 2 MB), the workspace a directory of the machine’s`;
    return [
      {
        title: 'docker run -it: from the call to the shell’s prompt',
        unit: 'ms',
        method: `${containers}, the passphrase in a file. “No init” is bash alone: the engine’s own time, and the shell’s.`,
        samples: prompt,
        reference: PEER.name,
      },
      {
        title: 'docker stop: from the call until the container is gone',
        unit: 'ms',
        method: `${containers}, with a change that is not saved; the command ends at once. The script saves nothing.`,
        samples: gone,
        reference: PEER.name,
        bar: {
          text: `at most ${MOST_BEHIND} ms more than ${PEER.name}`,
          reached: (medians) => medianOf(medians, OURS.name) <= medianOf(medians, PEER.name) + MOST_BEHIND,
        },
      },
    ];
  },
};

/** A project's directory on this machine, with the vault and what the peer makes of it: what `docker run` needs to use it. */
async function makeProject(): Promise<AsyncDisposable & { readonly flags: readonly string[] }> {
  const directory = await mkdtemp(join(tmpdir(), 'tazpod-bench-'));
  const [workspace, passphrase] = [join(directory, 'workspace'), join(directory, 'passphrase')];
  await mkdir(workspace);
  if (process.getuid?.() === 0) await chown(workspace, 1000, 1000);
  await placeSealed(workspace, await sealTree(DEVELOPER));
  await writeFile(passphrase, PASSPHRASE, { mode: 0o444 });
  const variables = Object.entries(UNLOCK).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  return {
    flags: [
      ...MAY_MOUNT,
      '--volume',
      `${workspace}:/workspace`,
      '--volume',
      `${passphrase}:${PASSPHRASE_FILE}`,
      ...variables,
    ],
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** The arguments of `docker run` for a container that is removed when it has ended. */
function runArguments(
  { init, flags = [] }: Contestant,
  project: readonly string[],
  command: readonly string[],
): string[] {
  const [entrypoint = '', ...words] = [...init, ...command];
  const own = ['--rm', '--network', 'none', '--label', LABEL, '--entrypoint', entrypoint];
  return ['run', ...own, ...project, ...flags, IMAGE, ...words];
}

/** Milliseconds. */
async function timeToPrompt(contestant: Contestant, project: readonly string[]): Promise<number> {
  const [run, ...args] = runArguments(contestant, project, ['bash', '-l']);
  const called = performance.now();
  using shell = await EngineTerminal.open([run ?? '', '-it', ...args]);
  await shell.terminal.screen.waitFor(/\$ $/);
  const took = performance.now() - called;
  shell.terminal.type('exit\r');
  const status = await shell.ended;
  if (status !== 0) throw new Error(`cannot time the prompt of ${contestant.name}: ${shell.terminal.screen.text}`);
  return took;
}

/** Milliseconds. */
async function timeToGone(contestant: Contestant, project: readonly string[]): Promise<number> {
  const name = `tazpod-bench-${process.pid}`;
  const [run, ...args] = runArguments(contestant, project, CHANGE_AND_WAIT);
  const client = execa('docker', [run ?? '', '--name', name, ...args], { reject: false });
  await new Output(client.stdout).waitFor('ready\n');
  const { stdout: pid } = await execa('docker', ['inspect', '--format', '{{.State.Pid}}', name]);
  await quiet(Number(pid));
  const called = performance.now();
  await execa('docker', ['stop', name]);
  const took = performance.now() - called;
  const { exitCode, stderr } = await client;
  if (exitCode !== 143) throw new Error(`cannot time the stop of ${contestant.name}: status ${exitCode}\n${stderr}`);
  return took;
}
