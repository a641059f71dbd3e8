// Looks for words that must be nowhere once a container has ended: in its file system, names included, in the workspace, in
// what it wrote, and in what the engine tells about it.

import { execa } from 'execa';

import type { Container } from './container.ts';
import { CANARIES } from './vault.ts';
import type { Volumes } from './volumes.ts';

/** Where a word was found. */
export type Place = 'file system' | 'workspace' | 'log' | 'arguments' | 'environment';

/** The words that were found, by place; places without any are left out. */
export async function leaks(
  container: Container,
  volumes: Volumes,
  words: readonly string[],
): Promise<Partial<Record<Place, string[]>>> {
  const [fileSystem, workspace, log, path, args, environment] = await Promise.all([
    wordsInFileSystem(container, words),
    volumes.workspace(),
    container.logs(),
    ...['.Path', '.Args', '.Config.Env'].map((name) => container.inspect(name)),
  ]);
  const found: Record<Place, string[]> = {
    'file system': fileSystem,
    workspace: wordsIn(workspace, words),
    log: wordsIn(Buffer.from(log), words),
    arguments: wordsIn(Buffer.from(JSON.stringify([path, args])), words),
    environment: wordsIn(Buffer.from(JSON.stringify(environment)), words),
  };
  return Object.fromEntries(Object.entries(found).filter(([, list]) => list.length > 0));
}

/** What was made, changed or removed below the enclave or its bridge in the container's writable layer. */
export async function secretsOnDisk(container: Container): Promise<string[]> {
  return (await container.changes()).filter((change) => /\/home\/tazpod\/(secrets|\.aws)\//.test(change));
}

/** The files of this machine, below some directories, that hold a passphrase or a secret in the clear. */
export async function filesWithSecrets(directories: readonly string[]): Promise<string[]> {
  const patterns = CANARIES.flatMap((canary) => ['-e', canary]);
  const options = ['--recursive', '--text', '--files-with-matches', '--fixed-strings', '--devices=skip'];
  const { exitCode, stdout } = await execa('grep', [...options, ...patterns, ...directories], { reject: false });
  if (exitCode !== 0 && exitCode !== 1) throw new Error(`cannot search ${directories.join(', ')} (grep: ${exitCode})`);
  return stdout.split('\n').filter((line) => line !== '');
}

function wordsIn(bytes: Buffer, words: readonly string[]): string[] {
  return words.filter((word) => bytes.includes(word));
}

/** Which words are in a container's file system, names included: `docker export`, in one pass that holds little of it in memory. */
export async function wordsInFileSystem(container: Container, words: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  const overlap = Math.max(...words.map((word) => Buffer.byteLength(word))) - 1;
  const exporting = execa('docker', ['export', container.name], { buffer: false, encoding: 'buffer' });
  let rest = Buffer.alloc(0);
  for await (const chunk of exporting.iterable()) {
    const window = Buffer.concat([rest, chunk]);
    for (const word of wordsIn(window, words)) found.add(word);
    rest = window.subarray(Math.max(0, window.length - overlap));
  }
  return [...found];
}
