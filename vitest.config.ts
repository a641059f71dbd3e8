// Three tiers: unit (no privilege, in parallel), process (the real PID 1 in fresh namespaces), container (a real engine).
// They run one after the other: tests that measure time or count processes shall not compete with the rest.

import { defineConfig } from 'vitest/config';

// Node's own notice on node:ffi, once for every process.
const execArgv = ['--disable-warning=ExperimentalWarning'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          execArgv,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'process',
          include: ['test/process/**/*.test.ts'],
          execArgv,
          maxWorkers: 2,
          testTimeout: 30_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'container',
          include: ['test/container/**/*.test.ts'],
          globalSetup: ['test/support/engine.ts'],
          execArgv,
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
    teardownTimeout: 60_000,
  },
});
