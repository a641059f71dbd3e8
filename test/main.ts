// `npm test [-- vitest's arguments]`: builds the programs, gets what the tests need, and runs them all.
// The last line says how many passed, failed and were skipped.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { JsonTestResults } from 'vitest/node';
import { installMissing } from '../build/debian.ts';
import { buildExecutable } from '../build/executable.ts';

/** Programs that tests call, or compare PID 1 with, and Debian's packages of them. */
const PROGRAMS = {
  unshare: 'util-linux',
  setpriv: 'util-linux',
  script: 'bsdutils',
  ps: 'procps',
  mount: 'mount',
  'mkfs.ext4': 'e2fsprogs',
  zsh: 'zsh',
  fish: 'fish',
  man: 'man-db',
  mandoc: 'mandoc',
  groff: 'groff-base',
  python3: 'python3',
  tini: 'tini',
  'dumb-init': 'dumb-init',
  catatonit: 'catatonit',
  podman: 'podman',
  newuidmap: 'uidmap',
  strace: 'strace',
  cc: 'g++', // and with it the C library's own files
};

const missing = await installMissing(PROGRAMS);
if (missing.length > 0) {
  console.error(`not installed here, so the tests that need them are skipped: ${missing.join(', ')}`);
}

await buildExecutable();

const directory = await mkdtemp(join(tmpdir(), 'tazpod-test-'));
try {
  const report = join(directory, 'results.json');
  const run = await execa(
    'vitest',
    ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...process.argv.slice(2)],
    { preferLocal: true, stdio: 'inherit', reject: false },
  );
  console.log(summary(await readResults(report)));
  process.exitCode = run.exitCode ?? 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}

/** No report: vitest itself failed, and said why. */
async function readResults(path: string): Promise<JsonTestResults | undefined> {
  return readFile(path, 'utf8').then(
    (text) => JSON.parse(text) as JsonTestResults,
    () => undefined,
  );
}

function summary(results: JsonTestResults | undefined): string {
  if (results === undefined) return '0 passed, 1 failed, 0 skipped';
  // A file that could not be loaded has no tests to count: it counts as one that failed.
  const broken = results.testResults.filter(({ status, assertionResults }) => {
    return status === 'failed' && !assertionResults.some((test) => test.status === 'failed');
  }).length;
  const failed = results.numFailedTests + broken;
  return `${results.numPassedTests} passed, ${failed} failed, ${results.numPendingTests + results.numTodoTests} skipped`;
}
