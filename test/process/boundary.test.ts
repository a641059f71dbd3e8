// What the operator, an engine or an earlier life may have put where PID 1 mounts: links, directories, mounts, leftovers.
// Whatever is there, nothing of root's is touched, and nothing of anybody's is lost.

import {
  chown,
  lchown,
  link,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { AWS_NAME, BRIDGE_TARGET, ENCLAVE, HOME, IDENTITY_DIRECTORY } from '../../lib/paths.ts';
import { CAPABILITIES } from '../../sandbox/launch.ts';
import { Control } from '../support/control.ts';
import {
  createPod,
  enclaveMounts,
  NO_REMAINS,
  NOTHING,
  readSecrets,
  remains,
  SECRETS,
  startPod,
  startUnlocked,
  traces,
  WAIT,
  WITH_SECRET,
  wordsInMemory,
} from '../support/pod.ts';
import type { Running, Sandbox } from '../support/sandbox.ts';
import { CONTENTS, PASSPHRASE, savedContents, vaultPath } from '../support/vault.ts';

const OPERATOR = 1000;
const WITHOUT_SYS_ADMIN = { capabilities: CAPABILITIES.filter((name) => name !== 'sys_admin') };
/** What `docker run --tmpfs` and a pod's memory volume do. */
const ENGINE_TMPFS = `mkdir -p ${ENCLAVE}; mount -t tmpfs -o size=64m,mode=0700,uid=1000,gid=1000 engine ${ENCLAVE}`;

/** The container's home, as it lies on this machine; made before the first start. */
async function homeOf({ bundle }: Sandbox): Promise<string> {
  const home = join(bundle.layer, HOME);
  await mkdir(home, { recursive: true });
  return home;
}

async function linkAs(owner: number, target: string, path: string): Promise<void> {
  await symlink(target, path);
  await lchown(path, owner, owner);
}

/** What a container sees of the machine's /etc, which is read-only there: it must be this, and no mount over it. */
async function etcMounts(running: Running): Promise<string[]> {
  const mounts = await running.mounts();
  return mounts.map(({ point }) => point).filter((point) => point.startsWith('/etc/.') || point === '/etc/secrets');
}

describe('~/.aws', () => {
  test('is bridged where it is missing', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    expect(await readSecrets(running)).toBe(SECRETS);
  });

  test('that is a link to /etc is put aside, and comes back at the lock', async () => {
    await using pod = await createPod();
    const home = await homeOf(pod);
    await linkAs(OPERATOR, '/etc', join(home, AWS_NAME));
    const running = await startUnlocked(pod);
    expect(await readSecrets(running)).toBe(SECRETS);
    expect(await enclaveMounts(running)).toEqual([BRIDGE_TARGET, ENCLAVE]);
    expect(await running.exec(['tazpod', 'lock'])).toMatchObject({ code: 0 });
    expect(await readlink(running.rootPath(BRIDGE_TARGET))).toBe('/etc');
    expect(await enclaveMounts(running)).toEqual([]);
  });

  test('that is a link comes back when the container is stopped, and at the next boot where PID 1 was killed', async () => {
    await using pod = await createPod();
    const link = join(await homeOf(pod), AWS_NAME);
    await linkAs(OPERATOR, '/workspace/mine', link);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const running = await startUnlocked(pod);
      running.signal(signal);
      await running.exited;
    }
    // Killed: what was put aside is still aside.
    await expect(readlink(link)).rejects.toThrow('EINVAL');
    const next = await startPod(pod, ['readlink', BRIDGE_TARGET]);
    expect(await next.stdout.whole()).toBe('/workspace/mine\n');
  });

  test('that is a directory with files is covered, with a warning, and is as it was afterwards', async () => {
    await using pod = await createPod();
    const directory = join(await homeOf(pod), AWS_NAME);
    await mkdir(directory);
    await writeFile(join(directory, 'config'), 'plaintext');
    for (const path of [directory, join(directory, 'config')]) await chown(path, OPERATOR, OPERATOR);
    const running = await startUnlocked(pod);
    expect(await readSecrets(running)).toBe(SECRETS);
    await running.stderr.waitFor(`${BRIDGE_TARGET} has contents of its own, in the clear`);
    running.signal('SIGTERM');
    expect(await running.exited).toEqual({ code: 143, signal: null });
    expect(await readdir(directory)).toEqual(['config']);
    expect(await readFile(join(directory, 'config'), 'utf8')).toBe('plaintext');
    expect(await savedContents(pod.bundle)).toEqual(CONTENTS);
  });

  test('that is somebody else’s, or no directory, is not bridged to: the vault stays locked', async () => {
    await using pod = await createPod();
    const path = join(await homeOf(pod), AWS_NAME);
    await mkdir(path, { mode: 0o700 });
    const others = await startPod(pod, WAIT, WITH_SECRET);
    await others.stdout.waitFor('ready');
    await others.stderr.waitFor(`cannot bridge to ${BRIDGE_TARGET}`);
    expect(await traces(pod, others)).toEqual(NOTHING);
    others.signal('SIGKILL');
    await others.exited;

    await rm(path, { recursive: true });
    await writeFile(path, 'a file');
    await chown(path, OPERATOR, OPERATOR);
    const file = await startPod(pod, WAIT, WITH_SECRET);
    await file.stdout.waitFor('ready');
    expect(await traces(pod, file)).toEqual(NOTHING);
    expect(await readFile(path, 'utf8')).toBe('a file');
  });

  test('that becomes a link between the unlock’s check and its mount leads nowhere', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT);
    await running.stdout.waitFor('ready');
    using client = await Control.connect(running);
    await client.request({ op: 'open' });
    await running.exec(['sh', '-c', `mkdir ${ENCLAVE}/.aws; ln -s /etc ${BRIDGE_TARGET}`], { user: OPERATOR });
    await client.request({ op: 'commit', baseline: '' });
    expect(await etcMounts(running)).toEqual([]);
    expect(await enclaveMounts(running)).toEqual([BRIDGE_TARGET, ENCLAVE]);
    await client.request({ op: 'close' });
    expect(await readlink(running.rootPath(BRIDGE_TARGET))).toBe('/etc');
  });
});

describe('~/secrets/.aws', () => {
  test.each([
    { name: 'a link to /etc', make: `ln -s /etc ${ENCLAVE}/.aws` },
    { name: 'a link to a directory of the enclave', make: `mkdir ${ENCLAVE}/other; ln -s other ${ENCLAVE}/.aws` },
    { name: 'a file', make: `touch ${ENCLAVE}/.aws` },
    { name: 'missing', make: 'true' },
  ])('that is $name when the unlock is to be committed undoes it', async ({ make }) => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT);
    await running.stdout.waitFor('ready');
    using client = await Control.connect(running);
    await client.request({ op: 'open' });
    await running.exec(['sh', '-c', make], { user: OPERATOR });
    await expect(client.request({ op: 'commit', baseline: '' })).rejects.toMatchObject({ code: 'cannot-mount' });
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('that is root’s, or a mount of root’s, undoes it', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT);
    await running.stdout.waitFor('ready');
    for (const make of [`mkdir ${ENCLAVE}/.aws`, `mkdir ${ENCLAVE}/.aws; mount --bind /etc ${ENCLAVE}/.aws`]) {
      using client = await Control.connect(running);
      await client.request({ op: 'open' });
      await running.exec(['sh', '-c', make]);
      await expect(client.request({ op: 'commit', baseline: '' })).rejects.toMatchObject({ code: 'cannot-mount' });
      await running.exec(['umount', `${ENCLAVE}/.aws`]);
    }
    expect(await readFile('/etc/passwd', 'utf8')).toContain('root');
    expect((await readdir(running.rootPath('/etc'))).length).toBeGreaterThan(1);
  });

  test('that the command swaps for a link while unlocked harms nobody at the lock', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    await running.exec(['sh', '-c', `mv ${ENCLAVE}/.aws ${ENCLAVE}/moved; ln -s /etc ${ENCLAVE}/.aws`], {
      user: OPERATOR,
    });
    expect(await running.exec(['tazpod', 'lock', '--discard'])).toMatchObject({ code: 0 });
    expect(await traces(pod, running)).toEqual(NOTHING);
    expect((await readdir(running.rootPath('/etc'))).length).toBeGreaterThan(1);
  });
});

describe('~/secrets', () => {
  test.each([
    { name: 'a link to /etc', make: (path: string) => linkAs(OPERATOR, '/etc', path) },
    { name: 'a link to the workspace', make: (path: string) => linkAs(OPERATOR, '/workspace', path) },
    { name: 'a file', make: (path: string) => writeFile(path, '') },
  ])('that is $name is refused: the vault stays locked', async ({ make }) => {
    await using pod = await createPod();
    await make(join(await homeOf(pod), 'secrets'));
    const running = await startPod(pod, WAIT, WITH_SECRET);
    await running.stdout.waitFor('ready');
    await running.stderr.waitFor(`cannot use ${ENCLAVE}`);
    expect(await enclaveMounts(running)).toEqual([]);
    expect(await etcMounts(running)).toEqual([]);
    expect(await running.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ code: 18 });
  });

  test('that the operator has made its own, with a file in it, is covered with a warning, and becomes root’s', async () => {
    await using pod = await createPod();
    const directory = join(await homeOf(pod), 'secrets');
    await mkdir(directory);
    await writeFile(join(directory, 'old'), 'plaintext');
    for (const path of [directory, join(directory, 'old')]) await chown(path, OPERATOR, OPERATOR);
    const running = await startUnlocked(pod);
    expect(await readSecrets(running)).toBe(SECRETS);
    await running.stderr.waitFor(`${ENCLAVE} holds files on disk, in the clear`);
    await running.exec(['tazpod', 'lock']);
    expect(await traces(pod, running)).toEqual({ ...NOTHING, files: ['old'] });
  });

  test('on a volume of the engine’s, which is on disk, is refused', async () => {
    await using pod = await createPod();
    const prepare = `mkdir -p /var/volume ${ENCLAVE}; chown 1000:1000 /var/volume; mount --bind /var/volume ${ENCLAVE}`;
    const running = await startPod(pod, WAIT, { ...WITH_SECRET, prepare });
    await running.stdout.waitFor('ready');
    await running.stderr.waitFor(/it is a \w+ mount, and secrets must stay in RAM/);
    expect(await readdir(running.rootPath(ENCLAVE))).toEqual([]);
    running.signal('SIGTERM');
    await running.exited;
    const required = await startPod(pod, WAIT, {
      ...WITH_SECRET,
      prepare,
      variables: { ...WITH_SECRET.variables, TAZPOD_UNLOCK: 'required' },
    });
    expect(await required.exited).toEqual({ code: 125, signal: null });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });
});

describe('an enclave that the engine mounted', () => {
  test.each([
    { name: 'with the capability', options: {} },
    { name: 'without it', options: WITHOUT_SYS_ADMIN },
  ])('is used as it is $name, emptied at the lock, and kept', async ({ options }) => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, { prepare: ENGINE_TMPFS, ...options });
    expect(await readSecrets(running)).toBe(SECRETS);
    await running.exec(['sh', '-c', `echo more >${ENCLAVE}/more`], { user: OPERATOR });
    const lock = await running.exec(['tazpod', 'lock', '--json']);
    expect(JSON.parse(lock.stdout)).toMatchObject({ ok: true, unmounted: false });
    expect(await traces(pod, running)).toEqual({ ...NOTHING, mounts: [ENCLAVE], mode: '1000:1000 700' });
    expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, more: 'more\n' });
    await running.exec(['tazpod', 'unlock', '--passphrase-file', '-'], { input: PASSPHRASE });
    expect(await readSecrets(running)).toBe(SECRETS);
    running.signal('SIGTERM');
    expect(await running.exited).toEqual({ code: 143, signal: null });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('for all to write becomes the operator’s alone', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, {
      prepare: `mkdir -p ${ENCLAVE}; mount -t tmpfs -o mode=1777 engine ${ENCLAVE}`,
    });
    expect(await traces(pod, running)).toMatchObject({ mode: '1000:1000 700' });
  });

  test('with what a torn unlock left in it is wiped, with a warning, before the vault is unlocked', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, {
      prepare: `${ENGINE_TMPFS}; mkdir -p ${ENCLAVE}/torn/deep; echo old >${ENCLAVE}/torn/deep/file`,
    });
    await running.stderr.waitFor('held what a torn unlock left: wiped');
    expect((await readdir(running.rootPath(ENCLAVE))).sort()).toEqual(['.aws', '.vault_pass', 'notes.md']);
  });

  test('with an unlocked vault in it needs no passphrase', async () => {
    await using pod = await createPod();
    const cached = `printf %s '${PASSPHRASE}' >${ENCLAVE}/.vault_pass; mkdir ${ENCLAVE}/.aws; echo kept >${ENCLAVE}/kept`;
    const running = await startPod(pod, WAIT, {
      prepare: `${ENGINE_TMPFS}; ${cached}; chown -R 1000:1000 ${ENCLAVE}; chmod 600 ${ENCLAVE}/.vault_pass`,
    });
    await running.stdout.waitFor('ready');
    expect(await running.exec(['tazpod', 'status', '--unlocked'])).toMatchObject({ code: 0 });
    expect(await enclaveMounts(running)).toEqual([BRIDGE_TARGET, ENCLAVE]);
    running.signal('SIGTERM');
    expect(await running.exited).toEqual({ code: 143, signal: null });
    expect(await savedContents(pod.bundle)).toEqual({ kept: 'kept\n' });
  });

  test('with an unlocked vault in it is wiped under `never`', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, WAIT, {
      variables: { TAZPOD_UNLOCK: 'never' },
      prepare: `${ENGINE_TMPFS}; echo secret >${ENCLAVE}/.vault_pass; echo kept >${ENCLAVE}/kept; chown 1000:1000 ${ENCLAVE}/.vault_pass`,
    });
    await running.stdout.waitFor('ready');
    expect(await readdir(running.rootPath(ENCLAVE))).toEqual([]);
  });

  test('without the capability is bridged by a link, which is gone after the lock', async () => {
    await using pod = await createPod();
    const link = join(await homeOf(pod), AWS_NAME);
    const running = await startUnlocked(pod, { prepare: ENGINE_TMPFS, ...WITHOUT_SYS_ADMIN });
    expect(await readlink(link)).toBe('secrets/.aws');
    await running.exec(['tazpod', 'lock']);
    await expect(readlink(link)).rejects.toThrow('ENOENT');
  });

  test('without the capability puts the home’s own .aws aside, and back at the lock', async () => {
    await using pod = await createPod();
    const directory = join(await homeOf(pod), AWS_NAME);
    await mkdir(directory);
    await writeFile(join(directory, 'config'), 'plaintext');
    await chown(dirname(directory), OPERATOR, OPERATOR);
    await chown(directory, OPERATOR, OPERATOR);
    const running = await startUnlocked(pod, { prepare: ENGINE_TMPFS, ...WITHOUT_SYS_ADMIN });
    expect(await readSecrets(running)).toBe(SECRETS);
    await running.exec(['tazpod', 'lock']);
    expect(await readFile(join(directory, 'config'), 'utf8')).toBe('plaintext');
  });
});

test('a workspace whose .tazpod is a link to /etc gets no directories there', async () => {
  await using pod = await createPod(null);
  await linkAs(OPERATOR, '/etc', join(pod.bundle.workspace, '.tazpod'));
  const before = await readdir('/etc');
  const running = await startPod(pod, ['ls', '-A', IDENTITY_DIRECTORY]);
  expect(await running.exited).toEqual({ code: 0, signal: null });
  expect(await running.stderr.whole()).toContain('cannot make the identity directories');
  expect(await readdir('/etc')).toEqual(before);
});

test('a workspace whose .tazpod is a link to a directory of root’s that can be written gets nothing there either', async () => {
  await using pod = await createPod(null);
  await linkAs(OPERATOR, '/var/log', join(pod.bundle.workspace, '.tazpod'));
  const running = await startPod(pod, ['true']);
  await running.exited;
  expect(await readdir(join(pod.bundle.layer, 'var/log'))).toEqual([]);
});

test('identity directories that are links, files or somebody else’s are left as they are', async () => {
  await using pod = await createPod();
  const directory = join(pod.bundle.workspace, '.tazpod');
  const victim = join(pod.bundle.layer, 'var/victim');
  await mkdir(victim, { recursive: true });
  await linkAs(OPERATOR, '/etc', join(directory, '.pi'));
  await linkAs(OPERATOR, '/var/victim', join(directory, '.gemini'));
  await linkAs(OPERATOR, '/var/victim/new', join(directory, '.opencode'));
  await writeFile(join(directory, '.claude'), 'a file');
  await mkdir(join(directory, '.omp'), { mode: 0o700 });
  const running = await startUnlocked(pod);
  expect(await readSecrets(running)).toBe(SECRETS);
  expect(await readdir(victim)).toEqual([]);
  expect(await stat(victim)).toMatchObject({ uid: 0, mode: 0o40755 });
  expect(await stat(join(directory, '.omp'))).toMatchObject({ uid: 0, mode: 0o40700 });
  expect(await readFile(join(directory, '.claude'), 'utf8')).toBe('a file');
  expect(await readlink(join(directory, '.pi'))).toBe('/etc');
});

test('another name of the vault’s file keeps what it had: a save replaces, and does not write through hard links', async () => {
  await using pod = await createPod();
  const before = await readFile(vaultPath(pod.bundle));
  const other = join(pod.bundle.workspace, 'other-name');
  await link(vaultPath(pod.bundle), other);
  const running = await startUnlocked(pod);
  await running.exec(['sh', '-c', `echo more >${ENCLAVE}/more`], { user: OPERATOR });
  expect(await running.exec(['tazpod', 'save'])).toMatchObject({ code: 0 });
  expect(await readFile(other)).toEqual(before);
  expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, more: 'more\n' });
});

test('directories with very many files, where PID 1 mounts and prepares, are not read', async () => {
  await using pod = await createPod();
  const many = 'name-in-a-huge-directory';
  const places = [join(await homeOf(pod), AWS_NAME), join(pod.bundle.workspace, '.tazpod/.claude')];
  for (const place of places) {
    await mkdir(place);
    await Promise.all(Array.from({ length: 5000 }, (_, number) => writeFile(join(place, `${many}-${number}`), '')));
    await chown(place, OPERATOR, OPERATOR);
  }
  const running = await startUnlocked(pod);
  expect(await readSecrets(running)).toBe(SECRETS);
  expect(await wordsInMemory(running.pid, [`${many}-4`, `${many}-99`])).toEqual([]);
  expect(await running.exec(['tazpod', 'lock'])).toMatchObject({ code: 0 });
  for (const place of places) expect(await readdir(place)).toHaveLength(5000);
});
