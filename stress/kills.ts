// `kill -9` at random moments of a save: of the process that saves, of PID 1, of everything at once. Each round writes a new
// version of one file by rename, has it saved by `tazpod save` or leaves that to the autosave, and kills when the saver has
// been there for a random while. What is on disk then must open, whole, at the version before or the one just written.
// The moments are random by the clock: the same seed makes the same files and targets, not the same end.

import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { errnoName } from '../lib/errors.ts';
import { ENCLAVE, VAULT_FILE } from '../lib/paths.ts';
import { OPERATOR_ID } from '../sandbox/namespaces.ts';
import { createPod, processesOf, startUnlocked } from '../test/support/pod.ts';
import type { Running, Sandbox } from '../test/support/sandbox.ts';
import { openVault, sealVault, vaultPath } from '../test/support/vault.ts';
import { Random } from './random.ts';
import type { Stress, StressContext, StressOutcome } from './stress.ts';

const STATE = 'state';
/** Beside it, what never changes: it must be there every time. */
const STEADY = Object.fromEntries(
  Array.from({ length: 40 }, (_, index) => [`steady/${index}`, `${index}: ${'x'.repeat(97 * index)}\n`]),
);
const LARGEST = 2 ** 20; // bytes
const SAVER_PATIENCE = 20_000; // ms
const TARGETS = ['the saver', 'PID 1', 'everything'] as const;
type Target = (typeof TARGETS)[number];

export const kills: Stress = {
  name: 'kills',
  summary: '`kill -9` at random moments of save and autosave',
  unit: 'kills',
  count: 1000,
  oracle:
    'After every kill (of the saving process, of PID 1, or of every process of the container at once) the vault on disk opens, and holds ' +
    'all that never changed, and the file that changes, whole, as it was before or as it was just written. So does the backup. ' +
    'There are no conflict files, and what killed savers left behind is gone after the next save.',
  executable: true,
  run,
};

async function run({ count, from, seed, progress, fail }: StressContext): Promise<StressOutcome> {
  await using pod = await createPod(await sealVault({ ...STEADY, [STATE]: stateOf(0, '') }));
  const figures = {
    'of a save by hand': 0,
    'of an autosave': 0,
    'of the saver': 0,
    'of PID 1': 0,
    'of everything': 0,
    'while the saver was at work': 0,
    'before the new version was in place': 0,
    'after it': 0,
    'most temporary files left at once': 0,
  };
  let running = await startUnlocked(pod);
  await writeState(running, 0, 'a'.repeat(LARGEST));
  const longest = 1.3 * (await timeSave(running));
  let onDisk = 0;
  for (let item = from; item < from + count; item++) {
    const random = new Random(seed, item);
    const version = item - from + 1;
    const [target, automatic] = [random.pick(TARGETS), random.oneIn(2)];
    await writeState(running, version, random.bytes(random.below(LARGEST / 2) >> random.below(10)).toString('hex'));
    const client = automatic ? undefined : save(running);
    if (automatic && !(await saverComes(pod, running, version))) fail(item, `no autosave: ${running.stderr.text}`);
    await delay((longest * random.below(1000)) / 1000);
    const isInTime = await kill(running, target);
    await client;
    figures[automatic ? 'of an autosave' : 'of a save by hand'] += 1;
    figures[`of ${target}`] += 1;
    if (isInTime) figures['while the saver was at work'] += 1;

    const found = await judge(pod, onDisk, version);
    if (typeof found === 'string') fail(item, `${automatic ? 'autosave' : 'save'}, ${target} killed: ${found}`);
    else onDisk = found;
    figures[found === version ? 'after it' : 'before the new version was in place'] += 1;
    const temporaries = (await neighbours(pod)).length;
    figures['most temporary files left at once'] = Math.max(figures['most temporary files left at once'], temporaries);
    if (target !== 'the saver') running = await startUnlocked(pod);
    progress(item - from + 1);
  }
  await writeState(running, count + 1, '');
  await save(running);
  const left = await neighbours(pod);
  if (left.length > 0) fail(from + count, `left behind after the last save: ${left.join(' ')}`);
  return { figures };
}

function stateOf(version: number, data: string): string {
  return `${version} ${data.length} ${data}`;
}

/** In one step, so that whoever packs meanwhile finds one version or the other. */
async function writeState(running: Running, version: number, data: string): Promise<void> {
  const script = `cat >${ENCLAVE}/.new && mv ${ENCLAVE}/.new ${ENCLAVE}/${STATE}`;
  const { code, stderr } = await running.exec(['sh', '-c', script], {
    user: OPERATOR_ID,
    input: stateOf(version, data),
  });
  if (code !== 0) throw new Error(`cannot write to the enclave: ${stderr}`);
}

function save(running: Running) {
  return running.exec(['tazpod', 'save'], { user: OPERATOR_ID });
}

/** Milliseconds. */
async function timeSave(running: Running): Promise<number> {
  const began = performance.now();
  await save(running);
  return performance.now() - began;
}

/** Whether an autosave begins, or has been done already: it may be over before we have looked once. */
async function saverComes(pod: Sandbox, running: Running, version: number): Promise<boolean> {
  for (const end = performance.now() + SAVER_PATIENCE; performance.now() < end; await delay(1)) {
    if ((await saversOf(running)).length > 0) return true;
  }
  return (await versionOf(vaultPath(pod.bundle))) === version;
}

async function saversOf(running: Running): Promise<number[]> {
  const savers: number[] = [];
  for (const pid of await processesOf(running)) {
    const [program, verb] = (await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')).split('\0');
    if (basename(program ?? '') === 'tazpod' && verb === 'save') savers.push(pid);
  }
  return savers;
}

/** With PID 1 the kernel ends all others before anyone learns of it. Answers whether the saver was there to be killed. */
async function kill(running: Running, target: Target): Promise<boolean> {
  const savers = await saversOf(running);
  if (target === 'the saver') for (const pid of savers) killNow(pid);
  else {
    if (target === 'everything') for (const pid of (await processesOf(running)).toReversed()) killNow(pid);
    running.signal('SIGKILL');
    await running.exited;
  }
  return savers.length > 0;
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoName(error) !== 'ESRCH') throw error;
  }
}

/** The version that is on disk, or what is wrong with it. */
async function judge(pod: Sandbox, oldest: number, newest: number): Promise<number | string> {
  const vault = await versionOf(vaultPath(pod.bundle));
  const backup = await versionOf(`${vaultPath(pod.bundle)}.bak`, 0);
  if (typeof vault === 'string') return vault;
  if (typeof backup === 'string') return `the backup: ${backup}`;
  if (vault < oldest || vault > newest) return `it holds version ${vault}, not one of ${oldest} to ${newest}`;
  const others = (await neighbours(pod)).filter((name) => !name.startsWith('.tmp-'));
  return others.length === 0 ? vault : `there is ${others.join(' ')}`;
}

/** @param missing the version of a file that is not there */
async function versionOf(path: string, missing?: number): Promise<number | string> {
  try {
    const contents = await openVault(await readFile(path));
    for (const [name, text] of Object.entries(STEADY)) if (contents[name] !== text) return `${name} is not as it was`;
    const [, version, length, data] = /^(\d+) (\d+) (.*)$/.exec(contents[STATE] ?? '') ?? [];
    return data?.length === Number(length) ? Number(version) : 'the file that changes is not whole';
  } catch (error) {
    if (missing !== undefined && errnoName(error) === 'ENOENT') return missing;
    return String(error);
  }
}

/** What stands beside vault and backup, by what their names have after the vault's. */
async function neighbours({ bundle }: Sandbox): Promise<string[]> {
  const name = basename(VAULT_FILE);
  const names = await readdir(dirname(vaultPath(bundle)));
  return names.filter((other) => other !== name && other !== `${name}.bak`).map((other) => other.replace(name, ''));
}
