// A workspace whose disk does not answer any more: what waits for it cannot even be killed, and the lock must not wait for it.
// The disk is a file with a file system of its own, which is frozen (fsfreeze(8)).

import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';

import { VAULT_FILE, WORKSPACE } from '../../lib/paths.ts';
import { Container, describeContainers, docker } from '../support/container.ts';
import { MAY_MOUNT } from '../support/image.ts';
import { defaultVault, PASSPHRASE } from '../support/vault.ts';

describeContainers('docker stop while the workspace’s disk does not answer', () => {
  test('locks within the grace, and says that the last save is missing', async ({ skip }) => {
    const mounted = await mountDisk();
    if (typeof mounted === 'string') return skip(mounted);
    await using disk = mounted;
    await using container = await Container.start({
      flags: [...MAY_MOUNT, '--volume', `${disk.path}:/workspace`],
      environment: { TAZPOD_PASSPHRASE: PASSPHRASE },
      command: ['sh', '-c', 'echo more >~/secrets/more; echo ready; exec sleep infinity'],
    });
    await container.waitForOutput(/^ready$/);
    const frozen = await freeze(disk.path);
    const start = performance.now();
    const stop = docker(['stop', '--time', '60', container.name]);
    try {
      await container.waitForOutput(/vault locked/);
      expect(performance.now() - start).toBeLessThan(10_000);
      expect(await container.logs()).toContain('cannot finish the last save');
    } finally {
      await frozen[Symbol.asyncDispose]();
    }
    await stop;
    expect(await container.wait()).toBe(143);
  });
});

/** A disk with a vault on it, or why there can be none here. */
async function mountDisk(): Promise<(AsyncDisposable & { readonly path: string }) | string> {
  if (process.getuid?.() !== 0) return 'only root can mount a disk';
  const directory = await mkdtemp(join(tmpdir(), 'tazpod-disk-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  const path = join(directory, 'mounted');
  await mkdir(path);
  const script = 'truncate -s 32M "$1/image" && mkfs.ext4 -q "$1/image" && mount -o loop "$1/image" "$1/mounted"';
  const mount = await execa('sh', ['-c', script, 'sh', directory], { reject: false });
  if (mount.failed) {
    await remove();
    return `no disk can be mounted from a file here: ${mount.stderr}`;
  }
  const vault = join(path, VAULT_FILE.slice(WORKSPACE.length));
  await mkdir(dirname(vault), { recursive: true });
  await writeFile(vault, await defaultVault(), { mode: 0o600 });
  await execa('chown', ['--recursive', '1000:1000', path]);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await execa('umount', [path]);
      await remove();
    },
  };
}

/** Freezes what is mounted there until it is disposed of, or this process has ended, however that is. */
async function freeze(path: string): Promise<AsyncDisposable> {
  const script = 'fsfreeze --freeze "$1" && echo frozen; read -r _; fsfreeze --unfreeze "$1"';
  const holder = execa('sh', ['-c', script, 'sh', path], { stdin: 'pipe', detached: true });
  await once(holder.stdout, 'data');
  return {
    async [Symbol.asyncDispose]() {
      holder.stdin.end();
      await holder;
    },
  };
}
