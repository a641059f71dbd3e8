// Runs `tazpod` as a program, from source: through pipes without any terminal, or on a real one.

import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { vi } from 'vitest';

import type { Terminal } from '../../support/terminal.ts';

// Every step starts a process, some of them a container: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

/** node:ffi is experimental, and Node says so. */
export const QUIETLY = '--disable-warning=ExperimentalWarning';
export const MAIN = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));
const VECTORS = fileURLToPath(new URL('../../vectors/', import.meta.url));

interface Vector {
  readonly id: string;
  readonly passphrase: string;
}

const { vectors } = JSON.parse(readFileSync(join(VECTORS, 'manifest.json'), 'utf8')) as { vectors: Vector[] };

/** A vault of the test vectors, and its passphrase. */
export function vector(wanted: string): { readonly file: string; readonly passphrase: string } {
  const found = vectors.find(({ id }) => id === wanted);
  if (!found) throw new Error(`no test vector is called ${wanted}`);
  return { file: join(VECTORS, `${wanted}.tar.aes`), passphrase: found.passphrase };
}

/** Four entries, sealed by the older tool. */
export const SMALL = vector('small');

// The tests' own user is the tool's: root would look for the operator's account.
const ENVIRONMENT = { PATH: process.env['PATH'] ?? '', TAZPOD_USER: 'root' };

interface Setting {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A file whose contents come out of its descriptor 3. */
  readonly third?: string;
}

/** Runs it to its end, in a session of its own: without a controlling terminal, whatever the tests have. */
export async function tazpod(words: readonly string[], { input = '', env = {}, cwd, third }: Setting = {}) {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [QUIETLY, MAIN, ...words], {
    reject: false,
    detached: true,
    extendEnv: false,
    env: { ...ENVIRONMENT, ...env },
    input,
    stripFinalNewline: false,
    stdio: ['pipe', 'pipe', 'pipe', third === undefined ? 'ignore' : { value: { file: third }, input: true }],
    ...(cwd ? { cwd } : {}),
  });
  return { status: exitCode, stdout, stderr };
}

/** Starts a command on a terminal that is its session's controlling one; standard output goes to a pipe. */
export function onTerminal(terminal: Terminal, command: readonly string[], env: Setting['env'] = {}) {
  // The first terminal that a session leader opens becomes the controlling one (credentials(7)).
  return execa('sh', ['-c', 'exec "$@" <"$0" 2>"$0"', terminal.path, ...command], {
    reject: false,
    detached: true,
    extendEnv: false,
    env: { ...ENVIRONMENT, ...env },
    stripFinalNewline: false,
  });
}

/** A directory of the test's own, removed at its end. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'tazpod-test-'));
  return { path, [Symbol.asyncDispose]: async () => rm(path, { recursive: true, force: true }) };
}
