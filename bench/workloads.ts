// What vaults hold in the measurements: trees of files that are the same bytes in every run.

import { createCipheriv } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';

import { TOOL } from '../build/executable.ts';
import { PASSPHRASE, peers } from './peers.ts';

export interface Workload {
  readonly name: string;
  /** Of its files' contents. */
  readonly bytes: number;
  readonly files: () => Iterable<File>;
}

interface File {
  readonly path: string;
  readonly contents: Buffer;
}

const MEGABYTE = 1_000_000;

/** 300 files, 2 MB: keys, tokens, configuration and notes, in the folders of some forty tools. */
const developer: Workload = {
  name: 'developer',
  bytes: 2 * MEGABYTE,
  *files() {
    const noise = new Noise();
    for (let index = 0; index < 300; index++) {
      const folder = index < 3 ? '.aws' : `.tool-${index % 40}/${index % 3 === 0 ? 'profiles' : 'cache'}`;
      // Sizes as they come: many small ones, a few large; on average 2 MB for all of them.
      const size = [700, 1500, 3000, 7000, 21133][index % 5] ?? 0;
      const contents = index % 4 === 0 ? noise.bytes(size) : noise.text(size);
      yield { path: `${folder}/file-${index}`, contents };
    }
  },
};

const many = (count: number, size: number): Workload => ({
  name: `${count.toLocaleString('en').replaceAll(',', ' ')} files`,
  bytes: count * size,
  *files() {
    const noise = new Noise();
    for (let index = 0; index < count; index++) {
      yield { path: `folder-${Math.floor(index / 100)}/file-${index}`, contents: noise.text(size) };
    }
  },
});

/** What is packed already: pictures, archives, keystores. */
const incompressible: Workload = {
  name: '40 MB packed',
  bytes: 40 * MEGABYTE,
  *files() {
    const noise = new Noise();
    for (let index = 0; index < 8; index++) yield { path: `file-${index}`, contents: noise.bytes(5 * MEGABYTE) };
  },
};

const text: Workload = {
  name: '60 MB text',
  bytes: 60 * MEGABYTE,
  *files() {
    const noise = new Noise();
    for (let index = 0; index < 60; index++) yield { path: `text-${index}`, contents: noise.text(MEGABYTE) };
  },
};

export const DEVELOPER = developer;
export const INCOMPRESSIBLE = incompressible;
export const WORKLOADS: readonly Workload[] = [developer, many(10_000, 2000), incompressible, text];

/** For what it costs to have many: as good as nothing in them. */
export function smallFiles(count: number): Workload {
  return many(count, 200);
}

/** Makes the tree in a directory that is there. */
export function makeTree(directory: string, { files }: Workload): void {
  let last: string | undefined;
  for (const { path, contents } of files()) {
    const file = join(directory, path);
    if (dirname(file) !== last) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    last = dirname(file);
    writeFileSync(file, contents, { mode: 0o600 });
  }
}

/** The bytes of a vault with the tree in it, and of what openssl and tar make of it. */
export async function sealTree(workload: Workload): Promise<{ readonly vault: Buffer; readonly peer: Buffer }> {
  await using memory = await inMemory();
  const at = (name: string): string => join(memory.path, name);
  mkdirSync(at('tree'));
  makeTree(at('tree'), workload);
  await writeFile(at('passphrase'), PASSPHRASE, { mode: 0o600 });
  await execa(TOOL, ['vault', 'create', '--quiet', `--passphrase-file=${at('passphrase')}`, at('tree'), at('vault')]);
  await execa('sh', ['-c', peers(at('passphrase'))[0].seal(at('tree'), at('peer'))]);
  return { vault: await readFile(at('vault')), peer: await readFile(at('peer')) };
}

/** A directory in memory, as the enclave is. */
export async function inMemory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp('/dev/shm/tazpod-bench-');
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

/** Bytes that look random and are always the same: the key stream of a cipher. */
class Noise {
  readonly #cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));

  bytes(count: number): Buffer {
    return this.#cipher.update(Buffer.alloc(count));
  }

  /** Words, some of them often, and numbers, as in notes and logs: it packs to about a third. */
  text(count: number): Buffer {
    const noise = this.bytes(2 * count);
    const contents = Buffer.alloc(count);
    for (let at = 0, index = 0; at < count; index += 2) {
      const choice = noise.readUInt16LE(index);
      // A quarter are of the sixteen commonest words, and so on: Zipf's law, roughly.
      const word = (choice >> 1) % 2 ** (4 + 3 * (choice >> 14));
      at += contents.write(choice % 7 === 0 ? `${choice}` : (WORDS[word] ?? ''), at, 'latin1');
    }
    return contents;
  }
}

const [CONSONANTS, VOWELS] = ['bcdfghlmnprstvwz', 'aeiouy'];
const WORDS = Array.from({ length: 2 ** 13 }, (_, index) => {
  let word = '';
  // Neighbours in the list have nothing in common.
  for (let rest = (index * 40_503 + 77) % 2 ** 16; rest > 0; rest = Math.floor(rest / 96)) {
    word += `${CONSONANTS[rest % 16] ?? ''}${VOWELS[Math.floor(rest / 16) % 6] ?? ''}${rest % 5 === 0 ? 'n' : ''}`;
  }
  return `${word}${index % 11 === 0 ? '.\n' : ' '}`;
});
