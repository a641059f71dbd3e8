// An error in PID 1 that nobody expected: what can be saved is saved, and the vault is locked, before it ends with 70.
// The error is real: the executable is built from the same sources and a fixture that throws.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { execa } from 'execa';

import { bundleProgram } from '../../build/bundle.ts';
import { SEA_CONFIGURATION } from '../../build/executable.ts';
import { ENCLAVE, RESCUE_DIRECTORY } from '../../lib/paths.ts';
import { Control } from '../support/control.ts';
import { createPod, NO_REMAINS, NOTHING, remains, SECRET_FILE, secretMount, traces, WAIT } from '../support/pod.ts';
import { ENVIRONMENT, fixture, type Running, type Sandbox } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';
import {
  CONTENTS,
  defaultVault,
  openVault,
  PASSPHRASE,
  placeVault,
  savedContents,
  SECRET,
  vaultPath,
} from '../support/vault.ts';

const DIRECTORY = '/var/lib/defective';
const OPERATOR = 1000;
const INTERNAL_ERROR = { code: 70, signal: null };

let pod: Sandbox;

beforeAll(async () => {
  pod = await createPod(null);
  const directory = join(pod.bundle.layer, DIRECTORY);
  await mkdir(directory, { recursive: true });
  const [main, configuration, output] = ['program.cjs', 'sea.json', 'tazpod-entrypoint'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  await writeFile(main, await bundleProgram({ entryPoints: [fixture('defective-program.ts')] }));
  await writeFile(configuration, JSON.stringify({ ...SEA_CONFIGURATION, main, executable: process.execPath, output }));
  await execa(process.execPath, ['--build-sea', configuration]);
}, 120_000);

afterAll(async () => {
  await pod[Symbol.asyncDispose]();
});

async function startDefective(variables: Readonly<Record<string, string>> = {}): Promise<Running> {
  await placeVault(pod.bundle, await defaultVault());
  const running = await pod.start([`${DIRECTORY}/tazpod-entrypoint`, '--', ...WAIT], {
    environment: { ...ENVIRONMENT, TAZPOD_PASSPHRASE_FILE: SECRET_FILE, ...variables },
    prepare: secretMount(PASSPHRASE, '0444'),
  });
  await running.stdout.waitFor('ready');
  return running;
}

async function write(running: Running): Promise<void> {
  await running.exec(['sh', '-c', `echo changed >${ENCLAVE}/written`], { user: OPERATOR });
}

test.each([
  { name: 'an error that nobody caught', signal: 'SIGWINCH' },
  { name: 'a rejection that nobody awaited', signal: 'SIGURG' },
] as const)('$name ends the container with 70, saved and locked', async ({ signal }) => {
  const running = await startDefective();
  await write(running);
  running.signal(signal);
  expect(await running.exited).toEqual(INTERNAL_ERROR);
  expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, written: 'changed\n' });
  expect(await running.stderr.whole()).not.toContain('cannot save');
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('an exit that nobody foresaw leaves the vault locked', async () => {
  const running = await startDefective();
  running.signal('SIGCONT');
  expect(await running.exited).toEqual({ code: 3, signal: null });
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('an error while the vault cannot be saved ends with an encrypted copy elsewhere, and the vault locked', async () => {
  const running = await startDefective({ TAZPOD_AUTOSAVE: 'off' });
  await write(running);
  await running.exec(['sh', '-c', 'chown 0:0 /workspace/.tazpod/vault']);
  const before = await readFile(vaultPath(pod.bundle));
  running.signal('SIGWINCH');
  expect(await running.exited).toEqual(INTERNAL_ERROR);
  expect(await running.stderr.whole()).toContain('cannot save');
  expect(await readFile(vaultPath(pod.bundle))).toEqual(before);
  const directory = join(pod.bundle.layer, RESCUE_DIRECTORY);
  const [name = '', ...others] = await readdir(directory);
  expect(others).toEqual([]);
  expect(await running.stderr.whole()).toContain(`docker cp tazpod:${RESCUE_DIRECTORY}/${name} .`);
  expect(await openVault(await readFile(join(directory, name)))).toEqual({ ...CONTENTS, written: 'changed\n' });
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('an error while the vault is locked ends with 70, and changes nothing', async () => {
  const running = await startDefective({ TAZPOD_UNLOCK: 'never' });
  const before = await readFile(vaultPath(pod.bundle));
  running.signal('SIGWINCH');
  expect(await running.exited).toEqual(INTERNAL_ERROR);
  expect(await readFile(vaultPath(pod.bundle))).toEqual(before);
});

test('an error while an unlock is under way ends with 70, and what it had begun is undone', async () => {
  const running = await startDefective({ TAZPOD_UNLOCK: 'never' });
  using client = await Control.connect(running);
  await client.request({ op: 'open' });
  await running.exec(['sh', '-c', `mkdir ${ENCLAVE}/.aws; echo ${SECRET} >${ENCLAVE}/.aws/credentials`], {
    user: OPERATOR,
  });
  running.signal('SIGURG');
  expect(await running.exited).toEqual(INTERNAL_ERROR);
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('an error while the passphrase is asked for, before anything is unlocked, ends with 70', async () => {
  using terminal = await Terminal.open();
  await placeVault(pod.bundle, await defaultVault());
  const running = await pod.start([`${DIRECTORY}/tazpod-entrypoint`, '--', ...WAIT], { terminal });
  await terminal.screen.waitFor('Passphrase: ');
  running.signal('SIGURG');
  expect(await running.exited).toEqual(INTERNAL_ERROR);
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('an error in the lock itself does not keep it from the steps that follow', async () => {
  const running = await startDefective({ DEFECT: 'wipe' });
  expect(await running.exec(['tazpod', 'lock'], { user: OPERATOR })).toMatchObject({ code: 0 });
  await running.stderr.waitFor(/cannot wipe the enclave: .*a defect/);
  expect(await traces(pod, running)).toEqual(NOTHING);
  running.signal('SIGTERM');
  expect(await running.exited).toEqual({ code: 143, signal: null });
});
