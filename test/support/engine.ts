// The container tier's global set-up: an engine, and the image built on it.
// A running engine is used as it is. Else, as root, one is started for the run, installed first where that can be done.
// Else the tier is skipped with one clear line; in CI that is a failure.

import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { TestProject } from 'vitest/node';
import { buildImage } from '../../build/container-image.ts';
import { installMissing } from '../../build/debian.ts';
import { IMAGE } from './image.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Why there is no engine; empty where there is one. */
    engineProblem: string;
    /** The label that marks this run's containers, `name=value`. */
    runLabel: string;
  }
}

/** Make this folder, as root, and the engine that the tests start keeps its images there from one run to the next. */
const CACHE = '/var/lib/tazpod-test-engine';

const GUARD = fileURLToPath(new URL('engine-guard', import.meta.url));

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const label = `tazpod.test=${process.pid}-${Date.now()}`;
  const problem = (await engineRuns()) ? '' : await whyNoneCanStart();
  project.provide('runLabel', label);
  project.provide('engineProblem', problem);
  if (problem !== '') {
    if (process.env['CI'] === 'true') throw new Error(`cannot run the container tests: ${problem}`);
    console.error(`container tests skipped: ${problem}`);
    return async () => {};
  }

  await using undo = new AsyncDisposableStack();
  undo.use(await guardEngine(label, !(await engineRuns())));
  // Ryuk, the reaper of testcontainers, is an image that may not be pulled; the guard does its work.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  process.env['TESTCONTAINERS_HOST_OVERRIDE'] = '127.0.0.1';
  await buildImage({ tag: IMAGE, quiet: true });
  const kept = undo.move();
  return () => kept.disposeAsync();
}

async function engineRuns(): Promise<boolean> {
  return !(await execa('docker', ['info', '--format', '{{.ServerVersion}}'], { reject: false })).failed;
}

/** Installs an engine where that can be done; empty if one can be started then. */
async function whyNoneCanStart(): Promise<string> {
  if (process.getuid?.() !== 0) return 'no container engine runs, and only root can start one';
  const missing = await installMissing({ dockerd: 'docker.io', docker: 'docker.io', flock: 'util-linux' });
  if (missing.length > 0) return `no container engine runs, and there is no ${missing.join(', no ')} to start one`;
  if (!/ - cgroup2? /.test(readFileSync('/proc/self/mountinfo', 'utf8'))) {
    return 'no container engine runs, and without control groups (/sys/fs/cgroup) none can be started';
  }
  return '';
}

/**
 * Starts the guard and, if `start`, an engine with it, which DOCKER_HOST then leads to.
 * @returns what ends both
 */
async function guardEngine(label: string, start: boolean): Promise<AsyncDisposable> {
  const directory = start ? await mkdtemp(join(tmpdir(), 'tazpod-engine-')) : undefined;
  // Who may use the engine, its socket says: a person of a test's may, who is not root.
  if (directory !== undefined) await chmod(directory, 0o711);
  const guard = execa('sh', [GUARD, label, ...(directory === undefined ? [] : [directory, CACHE])], {
    stdin: 'pipe',
    stderr: 'inherit',
    // In a session of its own, so that Ctrl-C does not end it before its work is done.
    detached: true,
  });
  await Promise.race([once(guard.stdout, 'data'), guard]);
  if (directory !== undefined) {
    process.env['DOCKER_HOST'] = `unix://${directory}/docker.sock`;
    if (!(await engineRuns())) {
      const log = existsSync(`${directory}/dockerd.log`) ? readFileSync(`${directory}/dockerd.log`, 'utf8') : '';
      guard.stdin.end();
      await guard;
      throw new Error(`cannot start a container engine:\n${log.slice(-2000)}`);
    }
  }
  return {
    async [Symbol.asyncDispose]() {
      guard.stdin.end();
      await guard;
    },
  };
}
