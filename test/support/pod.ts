// A sandbox with a vault in its workspace and our PID 1 in it: started as people start it, and looked at from outside for
// what must be there, or nowhere. What is looked for is what a curious person would find: mounts, files, memory.

import { open, readdir, readFile, readlink, stat } from 'node:fs/promises';

import { AWS_NAME, BRIDGE_TARGET, ENCLAVE, ENCLAVE_NAME, HOME } from '../../lib/paths.ts';
import type { Bytes } from '../../sandbox/launch.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { parseMountinfo } from '../../sandbox/mountinfo.ts';
import { ENVIRONMENT, INITS, Sandbox, type Running, type StartOptions } from './sandbox.ts';
import { CANARIES, CONTENTS, defaultVault, PASSPHRASE, placeVault } from './vault.ts';

/** Where `secret` puts the passphrase, as an engine does: on a mount of its own, in none of the container's layers. */
export const SECRET_FILE = '/run/secrets/passphrase';

/** Says `ready`, and does nothing until it is stopped. */
export const WAIT = ['sh', '-c', 'echo ready; exec sleep infinity'] as const;

/** How one starts with the right passphrase. */
export const WITH_SECRET = { secret: PASSPHRASE, variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE } } as const;

export interface PodOptions extends StartOptions {
  /** Set beside the engine's variables. */
  readonly variables?: Readonly<Record<string, string>>;
  /** The contents of SECRET_FILE, if there is to be one. */
  readonly secret?: string;
  /** Its mode; for all to read unless given. */
  readonly secretMode?: string;
  /** Flags of PID 1 itself. */
  readonly flags?: readonly string[];
}

/** A sandbox with a vault; `null`: without one. */
export async function createPod(vault?: Uint8Array | null): Promise<Sandbox> {
  const sandbox = await Sandbox.create();
  if (vault !== null) await placeVault(sandbox.bundle, vault ?? (await defaultVault()));
  return sandbox;
}

/** Starts our PID 1 with a command. */
export function startPod(
  sandbox: Sandbox,
  command: readonly Bytes[],
  { variables, secret, secretMode = '0444', flags = [], prepare = '', ...options }: PodOptions = {},
): Promise<Running> {
  return sandbox.start([INITS.ours, ...flags, '--', ...command], {
    environment: { ...ENVIRONMENT, ...variables },
    prepare: `${secret === undefined ? '' : secretMount(secret, secretMode)}${prepare}`,
    ...options,
  });
}

/** Starts it with WAIT and the right passphrase, and waits until the vault is unlocked. */
export async function startUnlocked(sandbox: Sandbox, options: PodOptions = {}): Promise<Running> {
  const running = await startPod(sandbox, WAIT, {
    ...WITH_SECRET,
    ...options,
    variables: { ...WITH_SECRET.variables, TAZPOD_UNLOCK: 'required', ...options.variables },
  });
  await running.stdout.waitFor('ready');
  return running;
}

/** What the operator reads, through the bridge and in the enclave, of a vault that is unlocked. */
export async function readSecrets(running: Running): Promise<string> {
  const files = [`${BRIDGE_TARGET}/credentials`, `${ENCLAVE}/notes.md`];
  const { stdout, stderr } = await running.exec(['cat', ...files], { user: OPERATOR_ID });
  return stdout + stderr;
}

/** What `readSecrets` gives where CONTENTS are unlocked. */
export const SECRETS = [CONTENTS['.aws/credentials'], CONTENTS['notes.md']].join('').trimEnd();

/** Shell lines that make SECRET_FILE. */
export function secretMount(secret: string, mode: string): string {
  return `
    mkdir -p /run/secrets
    mount -t tmpfs -o size=64k secrets /run/secrets
    printf %s '${secret.replaceAll("'", "'\\''")}' >${SECRET_FILE}
    chmod ${mode} ${SECRET_FILE}
`;
}

/** The numbers, on this machine, of a container's processes. */
export async function processesOf(running: Running): Promise<number[]> {
  const namespace = await readlink(`/proc/${running.pid}/ns/pid`);
  const pids: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    // A process that has ended meanwhile is none of them.
    if ((await readlink(`/proc/${name}/ns/pid`).catch(() => '')) === namespace) pids.push(Number(name));
  }
  return pids;
}

/** The paths where a process of the container sees something of the enclave mounted. */
export async function enclaveMounts(running: Running): Promise<string[]> {
  const points = new Set<string>();
  for (const pid of await processesOf(running)) {
    const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
    for (const { point } of text === '' ? [] : parseMountinfo(text)) {
      if (point.startsWith(ENCLAVE) || point.startsWith(BRIDGE_TARGET)) points.add(point);
    }
  }
  return [...points].sort();
}

/** What a lock or a failed unlock must have left: nothing at all. */
export const NOTHING = { mounts: [], files: [], aws: [], canaries: [], mode: '0:0 555' } as const;

/** What there is of a vault in a container that runs. */
export async function traces(sandbox: Sandbox, running: Running) {
  const point = await stat(running.rootPath(ENCLAVE));
  return {
    mounts: await enclaveMounts(running),
    files: await readdir(running.rootPath(ENCLAVE)),
    aws: await readdir(running.rootPath(BRIDGE_TARGET)).catch(() => []),
    canaries: await canariesOnDisk(sandbox),
    mode: `${point.uid}:${point.gid} ${(point.mode & 0o7777).toString(8)}`,
  };
}

/** What there is of a vault in what a container has left when it is gone: the same as in one that runs. */
export async function remains(sandbox: Sandbox) {
  const { layer } = sandbox.bundle;
  return {
    files: await readdir(`${layer}${HOME}/${ENCLAVE_NAME}`).catch(() => []),
    aws: await readdir(`${layer}${HOME}/${AWS_NAME}`).catch(() => []),
    canaries: await canariesOnDisk(sandbox),
  };
}

/** What an ended container must have left. */
export const NO_REMAINS = { files: [], aws: [], canaries: [] } as const;

/** The files of the container's layer and workspace that hold one of the canaries. */
export async function canariesOnDisk({ bundle }: Sandbox): Promise<string[]> {
  const patterns = CANARIES.flatMap((canary) => ['-e', canary]);
  const { code, stdout } = await bundle.inspect([
    'grep',
    '--recursive',
    '--text',
    '--files-with-matches',
    '--fixed-strings',
    '--devices=skip',
    ...patterns,
    bundle.layer,
    bundle.workspace,
  ]);
  if (code !== 0 && code !== 1) throw new Error(`cannot search the container's files (grep: ${code})`);
  return stdout.split('\n').filter((line) => line !== '');
}

/** Which of the words stand in the memory that a process may write to: its heap, stack, and environment. */
export async function wordsInMemory(pid: number, words: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  await using memory = await open(`/proc/${pid}/mem`, 'r');
  for (const line of (await readFile(`/proc/${pid}/maps`, 'latin1')).split('\n')) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    if (from === undefined || to === undefined) continue;
    for (let at = BigInt(`0x${from}`), end = BigInt(`0x${to}`); at < end; at += BigInt(PIECE)) {
      const bytes = Buffer.alloc(Number(end - at < PIECE + OVERLAP ? end - at : BigInt(PIECE + OVERLAP)));
      // What was never touched, or is gone by now, cannot be read, and holds nothing.
      const { bytesRead } = await memory.read(bytes, 0, bytes.length, at).catch(() => ({ bytesRead: 0 }));
      for (const word of words) if (bytes.subarray(0, bytesRead).includes(word)) found.add(word);
    }
  }
  return [...found];
}

const PIECE = 2 ** 22;
const OVERLAP = 256;
