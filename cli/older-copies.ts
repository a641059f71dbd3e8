// The copies that there are beside a vault: each opens with the passphrase that the vault had when it was made.

import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import type { Output } from './output.ts';

export interface OlderCopy {
  readonly path: string;
}

/** The `.bak`, conflict and rescue files beside a vault; none where the directory cannot be read. */
export async function olderCopies(vault: string): Promise<OlderCopy[]> {
  const path = await realpath(vault).catch(() => vault);
  const start = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(() => []);
  return names
    .filter((name) => name.startsWith(start) && /^(?:bak$|conflict-|rescue-)/.test(name.slice(start.length)))
    .sort()
    .map((name) => ({ path: join(dirname(path), name) }));
}

/** Says that a passphrase that others know is not done with when the vault has another. */
export function warnOfOlderCopies(copies: readonly OlderCopy[], output: Output): void {
  if (copies.length === 0) return;
  const paths = copies.map(({ path }) => path).join(', ');
  output.warn(`copies from before open with the passphrase that they were made with: ${paths}`);
}
