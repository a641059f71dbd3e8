// What goes below /usr/share beside the executable: manual pages and completions, below dist/share at their places there.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { completionScript } from '../cli/completion.ts';
import { DIST } from './executable.ts';
import { entrypointManual, toolManual } from './manual.ts';

export const SHARE = join(DIST, 'share');

/** Files by their names below /usr/share, at the places where Debian's man, bash-completion, zsh and fish look. */
export function sharedFiles(): ReadonlyMap<string, string | Uint8Array> {
  return new Map<string, string | Uint8Array>([
    ['man/man1/tazpod.1.gz', compress(toolManual())],
    ['man/man1/tazpod-entrypoint.1.gz', compress(entrypointManual())],
    ['bash-completion/completions/tazpod', completionScript('bash')],
    ['zsh/vendor-completions/_tazpod', completionScript('zsh')],
    ['fish/vendor_completions.d/tazpod.fish', completionScript('fish')],
  ]);
}

/** Writes them all anew. */
export async function writeShare(): Promise<void> {
  await rm(SHARE, { recursive: true, force: true });
  for (const [name, contents] of sharedFiles()) {
    const path = join(SHARE, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, contents);
  }
}

/** The same bytes for the same page: Node writes no time into the header. */
function compress(page: string): Uint8Array {
  return gzipSync(page, { level: 9 });
}
