// Directories of a test's own, and what is in them.

import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, mkdtempSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new directory, removed at the end of the scope whatever modes things in it have. */
export function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'tazpod-test-'));
  return {
    path,
    [Symbol.dispose]() {
      makeSearchable(Buffer.from(path));
      rmSync(path, { recursive: true, force: true });
    },
  };
}

function makeSearchable(directory: Buffer): void {
  chmodSync(directory, 0o700);
  for (const child of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    if (child.isDirectory()) makeSearchable(Buffer.concat([directory, Buffer.from('/'), child.name]));
  }
}

/** All that is below a directory: one line each, with mode and contents, sorted. Names are shown as latin1. */
export function treeOf(directory: string): string[] {
  const lines: string[] = [];
  const walk = (path: Buffer, name: string) => {
    for (const child of readdirSync(path, { encoding: 'buffer' })) {
      const at = Buffer.concat([path, Buffer.from('/'), child]);
      const shown = `${name}${child.toString('latin1')}`;
      const stats = lstatSync(at);
      const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
      if (stats.isSymbolicLink())
        lines.push(`${shown} -> ${readlinkSync(at, { encoding: 'buffer' }).toString('latin1')}`);
      else if (stats.isDirectory()) {
        lines.push(`${shown}/ ${mode}`);
        walk(at, `${shown}/`);
      } else if (stats.isFIFO() || stats.isSocket())
        lines.push(`${shown} ${mode} ${stats.isFIFO() ? 'fifo' : 'socket'}`);
      else lines.push(`${shown} ${mode} ${JSON.stringify(readFileSync(at).toString('latin1'))}`);
    }
  };
  walk(Buffer.from(directory), '');
  return lines.sort();
}
