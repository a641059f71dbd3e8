// The vault's life between start and stop: status, save, lock and unlock by the operator, and what a lock does to those who
// still hold something of the enclave.

import { chown, readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { BRIDGE_TARGET, ENCLAVE } from '../../lib/paths.ts';
import {
  createPod,
  enclaveMounts,
  NOTHING,
  processesOf,
  readSecrets,
  SECRETS,
  startPod,
  traces,
  wordsInMemory,
} from '../support/pod.ts';
import type { ExecResult, Running, Sandbox } from '../support/sandbox.ts';
import { CONTENTS, defaultVault, PASSPHRASE, placeVault, SECRET, savedContents, vaultPath } from '../support/vault.ts';

const OPERATOR = 1000;

// One container for all of them, unlocked with the same vault at the beginning of each.
let pod: Sandbox;
let running: Running;

beforeAll(async () => {
  pod = await createPod();
  // What is written to the pipe comes out here: how processes inside say that they are ready.
  // Without autosave: what is saved here is saved by the tool.
  running = await startPod(pod, ['sh', '-c', 'mkfifo -m 666 /tmp/news; exec 4<>/tmp/news; echo ready; cat <&4'], {
    variables: { TAZPOD_AUTOSAVE: 'off' },
  });
  await running.stdout.waitFor('ready');
});

beforeEach(async () => {
  await tazpod('lock', '--discard');
  await placeVault(pod.bundle, await defaultVault());
  await tazpod('unlock', '--passphrase-file', '-');
});

afterAll(async () => {
  await pod[Symbol.asyncDispose]();
});

/** Runs the tool as the operator, in the container, with the passphrase to be read. */
async function tazpod(...words: string[]): Promise<ExecResult> {
  return running.exec(['tazpod', ...words], { user: OPERATOR, input: PASSPHRASE });
}

async function json(...words: string[]): Promise<unknown> {
  return JSON.parse((await tazpod(...words, '--json')).stdout);
}

async function shell(script: string, user = OPERATOR): Promise<ExecResult> {
  return running.exec(['sh', '-c', script], { user });
}

/** Starts a process that lives until it is killed or the test ends, and waits until it says that it is set. */
async function start(
  script: string,
  user = OPERATOR,
): Promise<AsyncDisposable & { readonly ended: Promise<ExecResult> }> {
  const ended = running.exec(['sh', '-c', `${script}; echo set $$ >/tmp/news; exec sleep infinity`], { user });
  const [, pid = ''] = await running.stdout.waitFor(/set (\d+)\n/);
  return {
    ended,
    async [Symbol.asyncDispose]() {
      await running.exec(['kill', '-KILL', pid]);
      await ended;
    },
  };
}

test('status tells the state, to people and to programs', async () => {
  expect(await tazpod('status', '--unlocked')).toMatchObject({ code: 0 });
  expect(await json('status')).toMatchObject({ ok: true, state: 'unlocked' });
  await tazpod('lock');
  expect(await tazpod('status')).toMatchObject({ code: 0 });
  expect(await tazpod('status', '--unlocked')).toMatchObject({ code: 18 });
  expect(await json('status')).toMatchObject({ ok: true, state: 'locked' });
});

describe('a lock', () => {
  test('saves, and leaves nothing', async () => {
    await shell(`echo more >${ENCLAVE}/more`);
    expect(await json('lock')).toEqual({
      ok: true,
      state: 'locked',
      already: false,
      written: true,
      unmounted: true,
      holders: [],
      ended: [],
      failedHooks: [],
    });
    expect(await traces(pod, running)).toEqual(NOTHING);
    expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, more: 'more\n' });
  });

  test('can be undone and done again', async () => {
    await shell(`echo more >${ENCLAVE}/more`);
    await tazpod('lock');
    await tazpod('unlock', '--passphrase-file', '-');
    expect(await readSecrets(running)).toBe(SECRETS);
    expect(await shell(`cat ${ENCLAVE}/more`)).toMatchObject({ stdout: 'more' });
    await tazpod('lock');
    expect(await traces(pod, running)).toEqual(NOTHING);
    expect(await tazpod('lock')).toMatchObject({ code: 0 });
  });

  test('leaves a place where the operator cannot write', async () => {
    await tazpod('lock');
    expect(await shell(`echo secret >${ENCLAVE}/file`)).toMatchObject({ code: 2 });
  });

  test('takes secrets from those who hold their files open', async () => {
    const script = `
      open my $file, '+<', '${ENCLAVE}/notes.md' or die; open my $news, '>', '/tmp/news' or die;
      $| = 1; syswrite $news, "set $$\n"; sleep 1 while -s $file; syswrite $news, "empty\n"; sleep 1 while 1`;
    const held = running.exec(['perl', '-e', script], { user: OPERATOR });
    const [, pid = ''] = await running.stdout.waitFor(/set (\d+)\n/);
    expect(await json('lock')).toMatchObject({ unmounted: true, holders: [{ pid: Number(pid) }] });
    await running.stdout.waitFor('empty\n');
    expect(await traces(pod, running)).toEqual(NOTHING);
    await running.exec(['kill', '-KILL', pid]);
    await held;
  });

  test('names who works in the enclave, who is left with nothing', async () => {
    await using _ = await start(`cd ${ENCLAVE}/.aws`);
    expect(await json('lock')).toMatchObject({
      unmounted: true,
      holders: [{ pid: expect.any(Number), command: 'sleep infinity' }],
    });
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('leaves nothing to those who keep the mount in a namespace of their own', async () => {
    // Unsharing takes CAP_SYS_ADMIN, which a shell of the engine's may have and the operator's has not.
    const kept = running.exec(['unshare', '--mount', 'sh', '-c', 'echo set $$ >/tmp/news; exec sleep infinity'], {
      user: 0,
    });
    const [, pid = ''] = await running.stdout.waitFor(/set (\d+)\n/);
    expect(await json('lock')).toMatchObject({ unmounted: true, holders: [{ pid: Number(pid) }] });
    expect(await enclaveMounts(running)).toEqual([BRIDGE_TARGET, ENCLAVE]);
    const found: string[] = [];
    for (const process of await processesOf(running)) {
      found.push(
        ...(await readdir(`/proc/${process}/root${ENCLAVE}`)),
        ...(await readdir(`/proc/${process}/root${BRIDGE_TARGET}`)),
      );
    }
    // Root sees the file that leaves no room for another one.
    expect(found).toEqual(['.locked']);
    await running.exec(['kill', '-KILL', pid]);
    await kept;
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('wipes whatever a tree may hold: deep, of odd names, of root’s, without permissions', async () => {
    await shell(
      `cd ${ENCLAVE}; i=0; while [ $i -lt 300 ]; do mkdir directory-of-a-rather-long-name; cd -P directory-of-a-rather-long-name; i=$((i+1)); done; echo deep >file`,
    );
    await shell(
      `cd ${ENCLAVE}; touch "$(printf '\\377\\n')" -- -rf; mkdir closed; echo x >closed/file; chmod 000 closed; ln -s /etc link; mkfifo pipe`,
    );
    await shell(`mkdir -m 700 ${ENCLAVE}/root; echo root >${ENCLAVE}/root/file`, 0);
    expect(await tazpod('lock', '--discard')).toMatchObject({ code: 0, stderr: expect.not.stringContaining('cannot') });
    expect(await traces(pod, running)).toEqual(NOTHING);
    expect((await readdir('/etc')).length).toBeGreaterThan(1);
  });

  test('leaves no secret in the memory of PID 1', async () => {
    await tazpod('lock');
    expect(await wordsInMemory(running.pid, [PASSPHRASE, SECRET])).toEqual([]);
  });

  test('is not done when the save fails, unless what is not saved may go', async () => {
    await shell(`echo more >${ENCLAVE}/more`);
    const before = await readFile(vaultPath(pod.bundle));
    await chown(dirname(vaultPath(pod.bundle)), 0, 0);
    expect(await tazpod('lock')).toMatchObject({ code: 15 });
    expect(await readSecrets(running)).toBe(SECRETS);
    expect(await tazpod('lock', '--discard')).toMatchObject({ code: 0 });
    expect(await traces(pod, running)).toEqual(NOTHING);
    expect(await readFile(vaultPath(pod.bundle))).toEqual(before);
  });

  test('waits for a save that is under way, and saves what came since', async () => {
    const saves = Array.from({ length: 4 }, async (_, number) => {
      await shell(`echo ${number} >${ENCLAVE}/file-${number}`);
      return tazpod('save');
    });
    await saves[0];
    const locked = await tazpod('lock');
    expect(locked).toMatchObject({ code: 0 });
    await Promise.all(saves);
    const saved = await savedContents(pod.bundle);
    expect(saved).toMatchObject({ ...CONTENTS, 'file-0': '0\n' });
    expect(await traces(pod, running)).toEqual(NOTHING);
  });
});

describe('a save', () => {
  test('of megabytes, packed ones and text, opens with all of them', async () => {
    await shell(
      `cd ${ENCLAVE}; head -c 3000000 /dev/urandom >packed; yes 'a line of text' | head -n 300000 >text; sha256sum packed text >sums`,
    );
    expect(await tazpod('save', '--quiet')).toMatchObject({ code: 0, stderr: '' });
    await tazpod('lock', '--discard');
    await tazpod('unlock', '--passphrase-file', '-');
    expect(await shell(`cd ${ENCLAVE} && sha256sum --check --quiet sums`)).toMatchObject({ code: 0, stdout: '' });
  });

  test('writes what root has put into the enclave, too', async () => {
    await shell(`umask 077; mkdir ${ENCLAVE}/root; echo by root >${ENCLAVE}/root/file`, 0);
    expect(await json('save')).toEqual({ ok: true, written: true, leftOut: [] });
    expect(await savedContents(pod.bundle)).toMatchObject({ 'root/file': 'by root\n' });
  });

  test('writes nothing when nothing has changed', async () => {
    const before = await readFile(vaultPath(pod.bundle));
    expect(await json('save')).toMatchObject({ written: false });
    expect(await readFile(vaultPath(pod.bundle))).toEqual(before);
    await shell(`echo more >${ENCLAVE}/more`);
    expect(await json('save')).toMatchObject({ written: true });
    expect(await json('save')).toMatchObject({ written: false });
  });

  test('is refused while the vault is locked', async () => {
    await tazpod('lock');
    expect(await tazpod('save')).toMatchObject({ code: 18 });
  });
});

test('an unlock of what is unlocked asks nobody, and changes nothing', async () => {
  await shell(`echo more >${ENCLAVE}/more`);
  const again = await running.exec(['tazpod', 'unlock', '--json'], { user: OPERATOR });
  expect(JSON.parse(again.stdout)).toMatchObject({ ok: true, already: true });
  expect(await readSecrets(running)).toBe(SECRETS);
  expect(await shell(`cat ${ENCLAVE}/more`)).toMatchObject({ stdout: 'more' });
});

test('two unlocks at the same time both find the vault unlocked', async () => {
  await tazpod('lock');
  const both = await Promise.all([
    tazpod('unlock', '--passphrase-file', '-'),
    tazpod('unlock', '--passphrase-file', '-'),
  ]);
  expect(both).toEqual([expect.objectContaining({ code: 0 }), expect.objectContaining({ code: 0 })]);
  expect(await readSecrets(running)).toBe(SECRETS);
});
