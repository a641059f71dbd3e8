// When the last save fails: an encrypted copy elsewhere, that opens; a message that says where it is, how to fetch it and how
// long it will be there; and a mention at the next unlock. Real failures: no space, no inodes, read-only file systems.

import { chown, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ENCLAVE, RESCUE_DIRECTORY, VAULT_FILE } from '../../lib/paths.ts';
import { createPod, NO_REMAINS, remains, SECRET_FILE, startPod, startUnlocked, WITH_SECRET } from '../support/pod.ts';
import type { Sandbox } from '../support/sandbox.ts';
import { CONTENTS, openVault } from '../support/vault.ts';

const OPERATOR = 1000;
const WRITTEN = { ...CONTENTS, written: 'by the shell\n' };
const WRITE = `echo by the shell >${ENCLAVE}/written`;
/** A copy's name. */
const COPY = /^vault\.tar\.aes\.rescue-\d{8}T\d{6}Z$/;
/** The workspace as it is, but read-only. */
const READ_ONLY = 'mount --bind /workspace /workspace; mount -o remount,bind,ro /workspace\n';
/** Shell lines that put a small file system of its own in the workspace's place, with what was there, and more. */
const small = (options: string, after: string): string => `
  mkdir /tmp/copy && cp -a /workspace/. /tmp/copy
  mount -t tmpfs -o mode=755,uid=1000,gid=1000,${options} small /workspace
  cp -a /tmp/copy/. /workspace && rm -r /tmp/copy
  ${after}
`;

/** Runs a command that changes the vault, in a workspace that cannot take the new version. */
async function run(
  pod: Sandbox,
  prepare: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stderr: string }> {
  const running = await startPod(pod, ['sh', '-c', `${WRITE}; exit 7`], {
    ...WITH_SECRET,
    variables: { ...WITH_SECRET.variables, ...variables },
    prepare,
  });
  const { code } = await running.exited;
  return { code, stderr: await running.stderr.whole() };
}

/** What the only copy in a directory of the layer holds. */
async function copied(pod: Sandbox, directory = RESCUE_DIRECTORY): Promise<Record<string, string>> {
  const path = join(pod.bundle.layer, directory);
  const [name = '', ...others] = await readdir(path);
  expect(others).toEqual([]);
  expect(name).toMatch(COPY);
  const { mode, uid } = await stat(join(path, name));
  expect([mode & 0o7777, uid]).toEqual([0o600, OPERATOR]);
  return openVault(await readFile(join(path, name)));
}

describe('a last save that fails leaves an encrypted copy', () => {
  test.each([
    {
      name: 'a full disk',
      prepare: small('size=64k', 'head -c 100k /dev/zero >/workspace/filler || true'),
      says: /hint: make room on the disk that \/workspace\S+ is on/,
    },
    {
      name: 'a disk without inodes',
      prepare: small('nr_inodes=30', 'touch $(seq -f /workspace/%g 30) || true'),
      says: /hint: make room on the disk that \/workspace\S+ is on/,
    },
    {
      name: 'a read-only workspace',
      prepare: small('size=1m', 'mount -o remount,ro /workspace'),
      says: /hint: \/workspace\S+ is mounted read-only: mount it without ":ro"\n/,
    },
  ])('because of $name', async ({ prepare, says }) => {
    await using pod = await createPod();
    const { code, stderr } = await run(pod, prepare);
    expect(code).toBe(7);
    expect(stderr).toMatch(/tazpod: cannot save \/workspace\/\.tazpod\/vault\/vault\.tar\.aes: /);
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(
      /docker cp tazpod:\/var\/lib\/tazpod\/rescue\/vault\.tar\.aes\.rescue-\w+ \. \(.* own layer, and goes when .* docker run --rm/,
    );
    expect(await copied(pod)).toEqual(WRITTEN);
    expect(await remains(pod)).toEqual(NO_REMAINS);
    const directory = await stat(join(pod.bundle.layer, RESCUE_DIRECTORY));
    expect([directory.mode & 0o7777, directory.uid]).toEqual([0o700, OPERATOR]);
  });

  test('in TAZPOD_RESCUE_DIR, on a mount of its own: it stays, and the message says so', async () => {
    await using pod = await createPod();
    await mkdir(join(pod.bundle.layer, 'rescue'));
    await chown(join(pod.bundle.layer, 'rescue'), OPERATOR, OPERATOR);
    const { stderr } = await run(pod, `${READ_ONLY}mount --bind /rescue /rescue\n`, { TAZPOD_RESCUE_DIR: '/rescue' });
    expect(stderr).toMatch(/docker cp tazpod:\/rescue\/\S+ \. \(it is on a mount of its own, \/rescue, and stays/);
    expect(await copied(pod, '/rescue')).toEqual(WRITTEN);
  });

  test.each([
    { name: 'is missing', prepare: '' },
    { name: 'is not the operator’s', prepare: 'mkdir -m 700 /rescue\n' },
    { name: 'is read-only', prepare: 'mkdir /rescue; mount -t tmpfs -o ro,mode=777 none /rescue\n' },
    { name: 'is full', prepare: 'mkdir /rescue; mount -t tmpfs -o mode=777,size=4k none /rescue; echo >/rescue/x\n' },
    { name: 'is the enclave', prepare: `ln -s ${ENCLAVE} /rescue\n` },
    { name: 'is in RAM', prepare: 'mkdir /rescue; mount -t tmpfs -o mode=777 none /rescue\n' },
  ])('in the usual place where TAZPOD_RESCUE_DIR $name', async ({ prepare }) => {
    await using pod = await createPod();
    await run(pod, READ_ONLY + prepare, { TAZPOD_RESCUE_DIR: '/rescue' });
    expect(await copied(pod)).toEqual(WRITTEN);
  });

  test('nowhere on a read-only root: the error says what to do, and the status is the command’s', async () => {
    await using pod = await createPod();
    const prepare = `${READ_ONLY}mkdir -p ${RESCUE_DIRECTORY}; mount -t tmpfs -o ro none /var/lib\n`;
    const { code, stderr } = await run(pod, prepare);
    expect(code).toBe(7);
    expect(stderr).toContain('changes since the last save are lost');
    expect(stderr).toContain('TAZPOD_RESCUE_DIR');
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('and none when the vault could be saved, or had not changed', async () => {
    await using pod = await createPod();
    await (
      await startPod(pod, ['sh', '-c', WRITE], WITH_SECRET)
    ).exited;
    expect(await readdir(join(pod.bundle.layer, RESCUE_DIRECTORY))).toEqual([]);
    const unchanged = await startPod(pod, ['true'], { ...WITH_SECRET, prepare: READ_ONLY });
    await unchanged.exited;
    expect(await unchanged.stderr.whole()).not.toContain('cannot save');
    expect(await readdir(join(pod.bundle.layer, RESCUE_DIRECTORY))).toEqual([]);
  });

  test('which every unlock mentions from then on, until it is removed, and which `tazpod vault` opens', async () => {
    await using pod = await createPod();
    await run(pod, READ_ONLY);
    const [name = ''] = await readdir(join(pod.bundle.layer, RESCUE_DIRECTORY));
    const path = `${RESCUE_DIRECTORY}/${name}`;
    const mention = `warning: a save had failed: what could not be written to the vault is in ${path}; `;

    const running = await startUnlocked(pod);
    await running.stderr.waitFor(mention);
    // A newer vault is no reason to forget it: nobody has put the two together.
    await running.exec(['sh', '-c', `echo newer >${ENCLAVE}/newer`], { user: OPERATOR });
    expect(await running.exec(['tazpod', 'lock'])).toMatchObject({ code: 0 });
    const unlock = ['tazpod', 'unlock', '--passphrase-file', SECRET_FILE];
    expect(await running.exec(unlock)).toMatchObject({ code: 0, stderr: expect.stringContaining(mention) });
    const extract = ['tazpod', 'vault', 'extract', path, '/tmp/out', '--passphrase-file', SECRET_FILE];
    expect(await running.exec(extract, { user: OPERATOR })).toMatchObject({ code: 0 });
    expect(await running.exec(['cat', '/tmp/out/written'])).toMatchObject({ stdout: WRITTEN.written.trimEnd() });
    expect(await running.exec(['tazpod', 'doctor'])).toMatchObject({ stdout: expect.stringContaining(path) });

    expect(await running.exec(['rm', path], { user: OPERATOR })).toMatchObject({ code: 0 });
    expect((await running.exec(unlock)).stderr).not.toContain('a save had failed');
  });

  test('in TAZPOD_RESCUE_DIR: the next unlock mentions it, in the container that has the same', async () => {
    await using pod = await createPod();
    await mkdir(join(pod.bundle.workspace, 'rescue'));
    await chown(join(pod.bundle.workspace, 'rescue'), OPERATOR, OPERATOR);
    const variables = { TAZPOD_RESCUE_DIR: '/workspace/rescue' };
    const directory = dirname(VAULT_FILE);
    await run(pod, `mount --bind ${directory} ${directory}; mount -o remount,bind,ro ${directory}\n`, variables);
    const [name = ''] = await readdir(join(pod.bundle.workspace, 'rescue'));
    expect(name).toMatch(COPY);
    const running = await startUnlocked(pod, { variables });
    await running.stderr.waitFor(`what could not be written to the vault is in /workspace/rescue/${name}; `);
  });
});
