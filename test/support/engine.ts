// The container tier's global set-up: an engine, and the image built on it.
// Where there can be none the tier is skipped with one clear line; in CI that is a failure.

import type { TestProject } from 'vitest/node';
import { buildImage } from '../../build/container-image.ts';
import { holdEngine, whyNoEngine } from './engine-lease.ts';
import { IMAGE } from './image.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Why there is no engine; empty where there is one. */
    engineProblem: string;
    /** The label that marks this run's containers, `name=value`. */
    runLabel: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const label = `tazpod.test=${process.pid}-${Date.now()}`;
  const problem = await whyNoEngine();
  project.provide('runLabel', label);
  project.provide('engineProblem', problem);
  if (problem !== '') {
    if (process.env['CI'] === 'true') throw new Error(`cannot run the container tests: ${problem}`);
    console.error(`container tests skipped: ${problem}`);
    return async () => {};
  }

  await using undo = new AsyncDisposableStack();
  undo.use(await holdEngine(label));
  // Ryuk, the reaper of testcontainers, is an image that may not be pulled; the guard does its work.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
  process.env['TESTCONTAINERS_HOST_OVERRIDE'] = '127.0.0.1';
  await buildImage({ tag: IMAGE, quiet: true });
  const kept = undo.move();
  return () => kept.disposeAsync();
}
