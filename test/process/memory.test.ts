// When memory runs out while a worker unlocks or saves: the kernel ends the worker, and not PID 1, which undoes what was begun.

import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';

import { ENCLAVE } from '../../lib/paths.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { HAS_MEMORY_LIMITS, MemoryLimit } from '../support/memory-limit.ts';
import {
  createPod,
  NOTHING,
  readSecrets,
  SECRET_FILE,
  secretMount,
  SECRETS,
  traces,
  WAIT,
  WITH_SECRET,
} from '../support/pod.ts';
import { ENVIRONMENT, INITS, type Running, type Sandbox } from '../support/sandbox.ts';
import { CONTENTS, PASSPHRASE, savedContents, sealVault } from '../support/vault.ts';

const MIB = 2 ** 20;
/** PID 1 is there, and a worker begins; what it reads is too much. */
const TOO_LITTLE = 100 * MIB;
const ENOUGH = 1024 * MIB;

/** A container with a memory limit from its first instruction on. */
async function startWithin(pod: Sandbox, limit: MemoryLimit, command: readonly string[] = WAIT): Promise<Running> {
  const running = await pod.start(['sh', '-c', `read _; exec ${INITS.ours} -- "$@"`, 'sh', ...command], {
    stdin: 'pipe',
    environment: { ...ENVIRONMENT, ...WITH_SECRET.variables, TAZPOD_ENCLAVE_SIZE: '256m' },
    prepare: secretMount(PASSPHRASE, '0444'),
  });
  await limit.take(running.pid);
  running.stdin.write('\n');
  await running.stdout.waitFor('ready');
  return running;
}

test.runIf(HAS_MEMORY_LIMITS)(
  'memory that runs out in an unlock ends the worker; PID 1 undoes it, and the next one works',
  async () => {
    await using limit = await MemoryLimit.create(TOO_LITTLE);
    await using pod = await createPod(await sealVault({ ...CONTENTS, large: randomBytes(60 * MIB) }));
    const running = await startWithin(pod, limit);
    expect(await limit.kills()).toBe(1);
    expect(await traces(pod, running)).toEqual(NOTHING);
    await running.stderr.waitFor('cannot unlock the vault (status 137');
    await limit.set(ENOUGH);
    const again = await running.exec(['tazpod', 'unlock', '--passphrase-file', SECRET_FILE], { user: OPERATOR_ID });
    expect(again).toMatchObject({ code: 0 });
    expect(await readSecrets(running)).toBe(SECRETS);
    running.signal('SIGTERM');
    expect(await running.exited).toEqual({ code: 143, signal: null });
  },
);

test.runIf(HAS_MEMORY_LIMITS)(
  'memory that runs out in an autosave ends the worker; the vault stays whole, and a save writes it when there is more',
  async () => {
    await using limit = await MemoryLimit.create(ENOUGH);
    await using pod = await createPod();
    const running = await startWithin(pod, limit);
    expect(await readSecrets(running)).toBe(SECRETS);
    await limit.set(TOO_LITTLE);
    const write = ['sh', '-c', `head -c 60M /dev/urandom >${ENCLAVE}/large`];
    expect(await running.exec(write, { user: OPERATOR_ID })).toMatchObject({ code: 0 });
    await running.stderr.waitFor('cannot save what has changed (status 137');
    expect(await limit.kills()).toBeGreaterThan(0);
    expect(await savedContents(pod.bundle)).toEqual(CONTENTS);
    await limit.set(ENOUGH);
    running.signal('SIGTERM');
    expect(await running.exited).toEqual({ code: 143, signal: null });
    expect(Object.keys(await savedContents(pod.bundle)).sort()).toEqual([...Object.keys(CONTENTS), 'large'].sort());
  },
);

test.runIf(HAS_MEMORY_LIMITS)(
  'memory that runs out in an autosave does not end the operator’s program, larger though it is',
  async () => {
    await using limit = await MemoryLimit.create(ENOUGH);
    await using pod = await createPod();
    const program = ['perl', '-e', '$_ = "x" x 150e6; $| = 1; print "ready\\n"; sleep'];
    const running = await startWithin(pod, limit, program);
    // A worker can begin, and cannot hold what it packs.
    await limit.set((await limit.held()) + 60 * MIB);
    const write = ['sh', '-c', `head -c 60M /dev/urandom >${ENCLAVE}/some`];
    expect(await running.exec(write, { user: OPERATOR_ID })).toMatchObject({ code: 0 });
    await running.stderr.waitFor('cannot save what has changed (status 137');
    expect(await limit.kills()).toBe(1);
    expect(await running.exec(['pgrep', '-c', 'perl'])).toMatchObject({ stdout: '1' });
    expect(await readSecrets(running)).toBe(SECRETS);
  },
);
