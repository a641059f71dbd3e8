// The launcher, which stands before PID 1's Node (launcher/launcher.c): compiled where there is a C compiler, and done without elsewhere.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { findPrograms } from './debian.ts';

const SOURCE = fileURLToPath(new URL('../launcher/launcher.c', import.meta.url));
const COMPILER = 'cc';
/** Without the C library, which the compiler would call for loops, too. */
const FLAGS =
  '-static -nostdlib -ffreestanding -fno-stack-protector -fno-tree-loop-distribute-patterns -Os -s -Wall -Wextra';

/** What it is made of. */
export async function launcherSources(): Promise<readonly string[]> {
  return [FLAGS, await readFile(SOURCE, 'utf8'), ...(await findPrograms(COMPILER))];
}

/**
 * Compiles it.
 * @returns false where there is no compiler, or no headers of the kernel's and the C library's
 */
export async function buildLauncher(path: string): Promise<boolean> {
  const compiled = await execa(COMPILER, [...FLAGS.split(' '), '-o', path, SOURCE], { reject: false });
  return !compiled.failed;
}
