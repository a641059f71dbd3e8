// The vault's way in: by variable, by file, by typing; and when nobody is asked for anything.

import { chmod, chown, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { BRIDGE_TARGET, ENCLAVE, VAULT_FILE } from '../../lib/paths.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import {
  createPod,
  NO_REMAINS,
  NOTHING,
  readSecrets,
  remains,
  SECRET_FILE,
  SECRETS,
  startPod,
  traces,
  WAIT,
  WITH_SECRET,
  wordsInMemory,
  type PodOptions,
} from '../support/pod.ts';
import type { Running } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { CANARIES, CONTENTS, PASSPHRASE, savedContents, vaultPath } from '../support/vault.ts';

const VECTORS = join(import.meta.dirname, '../vectors');
/** Nobody whom the container knows. */
const OTHER = 12_345;

describe('a vault is unlocked', () => {
  const sources: { name: string; options: PodOptions }[] = [
    { name: 'by the variable', options: { variables: { TAZPOD_PASSPHRASE: PASSPHRASE } } },
    { name: 'by a file that all may read', options: WITH_SECRET },
    { name: 'by a file that only root may read', options: { ...WITH_SECRET, secretMode: '0400' } },
    { name: 'by a file that ends in a newline', options: { ...WITH_SECRET, secret: `${PASSPHRASE}\n` } },
  ];

  test.each(sources)('$name, and PID 1 knows nothing of it', async ({ options }) => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT, options);
    await running.stdout.waitFor('ready');
    expect(await readSecrets(running)).toBe(SECRETS);

    const command = await onlyChild(running);
    for (const pid of [running.pid, command]) {
      expect((await readFile(`/proc/${pid}/environ`)).includes(PASSPHRASE)).toBe(false);
    }
    expect(await wordsInMemory(running.pid, CANARIES)).toEqual([]);
    // A name is there while its directory is listed, which goes on beside the command.
    await expect.poll(() => wordsInMemory(running.pid, ['notes.md']), { timeout: 10_000 }).toEqual([]);
  });

  test('by typing its passphrase, which the screen does not show', async () => {
    await using pod = await createPod();
    using terminal = await Terminal.open();
    const running = await startPod(pod, WAIT, { terminal });
    await terminal.screen.waitFor('Passphrase: ');
    terminal.type(`${PASSPHRASE}${KEYS.enter}`);
    await terminal.screen.waitFor('ready');
    expect(await readSecrets(running)).toBe(SECRETS);
    expect(terminal.screen.text).not.toContain(PASSPHRASE.slice(0, 4));
    expect(await wordsInMemory(running.pid, CANARIES)).toEqual([]);
  });

  test('by typing it right the third time', async () => {
    await using pod = await createPod();
    using terminal = await Terminal.open();
    const running = await startPod(pod, WAIT, { terminal });
    for (const typed of ['wrong', 'wrong again', PASSPHRASE]) {
      await terminal.screen.waitFor('Passphrase: ');
      terminal.type(`${typed}${KEYS.enter}`);
    }
    await terminal.screen.waitFor('ready');
    expect(await readSecrets(running)).toBe(SECRETS);
  });

  test('into RAM that is the operator’s alone, without set-user-ID programs and devices', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT, WITH_SECRET);
    await running.stdout.waitFor('ready');
    const mounts = await running.mounts();
    const enclave = mounts.filter(({ point }) => point === ENCLAVE);
    expect(enclave).toEqual([expect.objectContaining({ type: 'tmpfs' })]);
    expect(enclave[0]?.options).toEqual(
      expect.arrayContaining([
        'rw',
        'nosuid',
        'nodev',
        'size=65536k',
        'nr_inodes=200001',
        'mode=700',
        'uid=1000',
        'gid=1000',
      ]),
    );
    expect(mounts.find(({ point }) => point === BRIDGE_TARGET)?.device).toBe(enclave[0]?.device);
  });

  test('where there is none yet: an empty one begins, and is there when the container ends', async () => {
    await using pod = await createPod(null);
    const running = await startPod(pod, ['sh', '-c', 'echo first >~/secrets/file'], WITH_SECRET);
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await savedContents(pod.bundle)).toEqual({ file: 'first\n' });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('where there is none yet, with a passphrase that is typed twice', async () => {
    await using pod = await createPod(null);
    using terminal = await Terminal.open();
    const running = await startPod(pod, ['sh', '-c', 'echo first >~/secrets/file'], {
      terminal,
      variables: { TAZPOD_UNLOCK: 'prompt' },
    });
    for (const typed of [PASSPHRASE, 'something else', PASSPHRASE, PASSPHRASE]) {
      await terminal.screen.waitFor(/New passphrase( again)?: /);
      terminal.type(`${typed}${KEYS.enter}`);
    }
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await savedContents(pod.bundle)).toEqual({ file: 'first\n' });
  });

  test('of another owner, with a warning: a save leaves a file of the operator’s in its place', async () => {
    await using pod = await createPod();
    await chown(vaultPath(pod.bundle), OTHER, OTHER);
    await chmod(vaultPath(pod.bundle), 0o644);
    const running = await startPod(pod, ['sh', '-c', `echo more >${ENCLAVE}/more`], WITH_SECRET);
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await running.stderr.whole()).toContain(
      `warning: ${VAULT_FILE} belongs to uid ${OTHER}: a save replaces it`,
    );
    expect(await stat(vaultPath(pod.bundle))).toMatchObject({ uid: OPERATOR_ID, mode: 0o100_644 });
    expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, more: 'more\n' });
    const again = await startPod(pod, ['true'], WITH_SECRET);
    expect(await again.stderr.whole()).not.toContain('belongs to');
  });

  test('of the older tool, whose own passphrase cache is not taken from it', async () => {
    await using pod = await createPod(await readFile(join(VECTORS, 'go-tool-saved-with-vault_pass.tar.aes')));
    const running = await startPod(pod, ['cat', `${ENCLAVE}/.vault_pass`], {
      secret: 'correct horse battery staple',
      variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE, TAZPOD_UNLOCK: 'required' },
    });
    expect(await running.stdout.whole()).toBe('correct horse battery staple');
  });
});

describe('a vault stays locked, and nobody is asked', () => {
  const rows: { name: string; vault?: null; options: PodOptions; onTerminal?: true }[] = [
    {
      name: 'under `never`, whatever passphrase is given',
      options: { variables: { TAZPOD_UNLOCK: 'never', TAZPOD_PASSPHRASE: PASSPHRASE } },
    },
    { name: 'under `never` on a terminal', options: { variables: { TAZPOD_UNLOCK: 'never' } }, onTerminal: true },
    { name: 'without a passphrase and a terminal', options: {} },
    { name: 'on a terminal, where there is no vault', vault: null, options: {}, onTerminal: true },
  ];

  test.each(rows)('$name', async ({ vault, options, onTerminal }) => {
    await using pod = await createPod(vault);
    using terminal = onTerminal && (await Terminal.open());
    const running = await startPod(pod, WAIT, { ...options, ...(terminal ? { terminal } : {}) });
    const output = terminal ? terminal.screen : running.stdout;
    await output.waitFor('ready');
    expect(output.text).toMatch(/^ready/);
    expect(await traces(pod, running)).toEqual(NOTHING);
    expect((await readFile(`/proc/${await onlyChild(running)}/environ`)).includes(PASSPHRASE)).toBe(false);
  });
});

/** The number of PID 1's only child. */
async function onlyChild({ pid }: Running): Promise<number> {
  const children = async (): Promise<string[]> =>
    (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter((child) => child !== '');
  // The command does not wait for the end of the worker.
  await expect.poll(children).toHaveLength(1);
  return Number((await children())[0]);
}
