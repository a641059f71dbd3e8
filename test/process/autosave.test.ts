// While unlocked, changes are saved by themselves: nobody asks for it, and nothing is lost when the container is killed.

import { chown, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';

import { ENCLAVE } from '../../lib/paths.ts';
import {
  createPod,
  NO_REMAINS,
  NOTHING,
  remains,
  SECRET_FILE,
  secretMount,
  startPod,
  startUnlocked,
  traces,
  WAIT,
  wordsInMemory,
} from '../support/pod.ts';
import type { Running } from '../support/sandbox.ts';
import { CONTENTS, eventually, PASSPHRASE, saved, savedContents, vaultPath } from '../support/vault.ts';
import { wakeUps } from '../support/wake-ups.ts';

const OPERATOR = 1000;
/** What a container that is killed may lose: what was written in so many milliseconds before. */
const UNSAFE = 2000;
/** PID 1 tells of each save that it has begun by itself. */
const VERBOSE = { TAZPOD_LOG_LEVEL: 'debug' } as const;

/** Runs a shell script in the enclave. */
async function shell(running: Running, script: string, input = ''): Promise<string> {
  const words = ['sh', '-ec', `cd ${ENCLAVE}; ${script}`];
  const { code, stdout, stderr } = await running.exec(words, { user: OPERATOR, input });
  if (code !== 0) throw new Error(`"${script}" failed: ${stderr}`);
  return stdout;
}

async function autosaved(running: Running, status = 0): Promise<void> {
  await running.stderr.waitFor(`an autosave has ended with status ${status}"`);
}

async function kill(running: Running): Promise<void> {
  running.signal('SIGKILL');
  await running.exited;
}

describe('what changes is saved by itself:', () => {
  test.each([
    { name: 'a new file', script: 'echo new >new', after: { ...CONTENTS, new: 'new\n' } },
    {
      name: 'a file in a new directory in a new directory',
      script: 'mkdir -p one/two; echo deep >one/two/deep',
      after: { ...CONTENTS, 'one/two/deep': 'deep\n' },
    },
    { name: 'a changed file', script: 'echo more >notes.md', after: { ...CONTENTS, 'notes.md': 'more\n' } },
    {
      name: 'a file changed through the bridge',
      script: 'echo more >~tazpod/.aws/config',
      after: { ...CONTENTS, '.aws/config': 'more\n' },
    },
    {
      name: 'a file that is moved',
      script: 'mv notes.md moved.md',
      after: {
        '.aws/config': CONTENTS['.aws/config'],
        '.aws/credentials': CONTENTS['.aws/credentials'],
        'moved.md': CONTENTS['notes.md'],
      },
    },
    { name: 'a directory that is removed', script: 'rm -r .aws', after: { 'notes.md': CONTENTS['notes.md'] } },
  ])('$name', async ({ script, after }) => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    await shell(running, script);
    expect(await saved(pod.bundle, after)).toEqual(after);
  });

  test('a file in a directory that is new since the last save', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    await shell(running, 'mkdir -p one/two; echo first >one/two/file');
    expect(await saved(pod.bundle, { ...CONTENTS, 'one/two/file': 'first\n' })).toEqual({
      ...CONTENTS,
      'one/two/file': 'first\n',
    });
    await shell(running, 'echo second >one/two/file');
    expect(await saved(pod.bundle, { ...CONTENTS, 'one/two/file': 'second\n' })).toEqual({
      ...CONTENTS,
      'one/two/file': 'second\n',
    });
  });

  test('a mode', async () => {
    await using pod = await createPod();
    const first = await startUnlocked(pod);
    const before = await stat(vaultPath(pod.bundle));
    await shell(first, 'chmod 640 notes.md');
    const inode = async () => (await stat(vaultPath(pod.bundle))).ino;
    expect(await eventually(pod.bundle, inode, (ino) => ino !== before.ino)).not.toBe(before.ino);
    await kill(first);
    expect(await shell(await startUnlocked(pod), 'stat -c %a notes.md')).toBe('640');
  });

  test('what the command changes at once', async () => {
    await using pod = await createPod();
    await startPod(pod, ['sh', '-c', `echo first >${ENCLAVE}/first; exec sleep infinity`], {
      secret: PASSPHRASE,
      variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE },
    });
    expect(await saved(pod.bundle, { ...CONTENTS, first: 'first\n' })).toEqual({ ...CONTENTS, first: 'first\n' });
  });

  test.each([
    { name: 'where the engine gave the enclave', options: {} },
    { name: 'as uid 1000', options: { user: OPERATOR } },
  ])('$name', async ({ options }) => {
    await using pod = await createPod();
    const tmpfs = `mkdir -p ${ENCLAVE}; mount -t tmpfs -o size=64m,mode=0700,uid=1000,gid=1000 engine ${ENCLAVE}\n`;
    const running = await startPod(pod, WAIT, {
      ...options,
      prepare: `${secretMount(PASSPHRASE, '0444')}${tmpfs}`,
      variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE, TAZPOD_UNLOCK: 'required' },
    });
    await running.stdout.waitFor('ready');
    await shell(running, 'mkdir new; echo new >new/new');
    expect(await saved(pod.bundle, { ...CONTENTS, 'new/new': 'new\n' })).toEqual({ ...CONTENTS, 'new/new': 'new\n' });
  });
});

describe('a container that is killed two seconds after the last write loses nothing', () => {
  const text = (bytes: number, seed: number): string =>
    Buffer.from(
      Array.from({ length: bytes }, (_, index) => 33 + ((index * index * 31 + index * seed) % 90)),
    ).toString();

  test.each([
    { name: 'a small file', contents: { small: 'small' } },
    {
      name: '300 files, 2 MB',
      contents: Object.fromEntries(
        Array.from({ length: 300 }, (_, index) => [`directory-${index % 30}/file-${index}`, text(7000, index)]),
      ),
    },
    { name: 'a file of 4 MB', contents: { large: text(4_000_000, 7) } },
  ])('$name', async ({ contents }) => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    const lines = Object.entries(contents).map(([name, text]) => `${name} ${text}\n`);
    const write =
      'while read -r name text; do mkdir -p "$(dirname "$name")"; printf %s "$text" >"$name"; done; date +%s%3N';
    const written = Number(await shell(running, write, lines.join('')));
    await delay(written + UNSAFE - Date.now());
    await kill(running);
    expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, ...contents });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('a change that came right after a save', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    await shell(running, 'echo first >file');
    expect(await saved(pod.bundle, { ...CONTENTS, file: 'first\n' })).toEqual({ ...CONTENTS, file: 'first\n' });
    const written = Number(await shell(running, 'echo second >file; date +%s%3N'));
    await delay(written + UNSAFE - Date.now());
    await kill(running);
    expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, file: 'second\n' });
  });
});

test('nothing is written when nothing has changed, whatever was read or touched; then PID 1 sleeps', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { variables: VERBOSE });
  const before = await stat(vaultPath(pod.bundle));
  await shell(running, 'touch notes.md');
  await autosaved(running);
  expect(await stat(vaultPath(pod.bundle))).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
  // It has come to rest when it has not run for a second; reading wakes nobody.
  let awake = {};
  await expect
    .poll(async () => [awake, (awake = await wakeUps(running))], { interval: 1000, timeout: 20_000 })
    .toSatisfy(([then, now]) => JSON.stringify(then) === JSON.stringify(now));
  await shell(running, 'cat notes.md .aws/config; ls -lR');
  await delay(3000);
  expect(await wakeUps(running)).toEqual(awake);
});

test('a save of ours does not lead to the next: lending permissions and giving files to the operator is no change', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { variables: VERBOSE });
  await running.exec(['sh', '-c', `echo root >${ENCLAVE}/root; chmod 0 ${ENCLAVE}/notes.md`]);
  expect(await saved(pod.bundle, { ...CONTENTS, root: 'root\n' })).toEqual({ ...CONTENTS, root: 'root\n' });
  await delay(3000);
  expect(running.stderr.text.match(/an autosave has ended/g)).toHaveLength(1);
});

test('events that were lost are made up for: a directory among them is watched all the same', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod);
  const most = Number(await readFile('/proc/sys/fs/inotify/max_queued_events', 'utf8'));
  running.signal('SIGSTOP');
  await shell(
    running,
    // In one process: to start eight thousand takes some machines half a minute.
    `perl -e 'for (0..${most / 2}) { open my $file, ">", "a"; close $file; unlink "a" }'; mkdir -p lost/deep; echo first >lost/deep/file`,
  );
  running.signal('SIGCONT');
  expect(await saved(pod.bundle, { ...CONTENTS, 'lost/deep/file': 'first\n' })).toEqual({
    ...CONTENTS,
    'lost/deep/file': 'first\n',
  });
  await shell(running, 'echo second >lost/deep/file');
  expect(await saved(pod.bundle, { ...CONTENTS, 'lost/deep/file': 'second\n' })).toEqual({
    ...CONTENTS,
    'lost/deep/file': 'second\n',
  });
});

test('a save that fails says so once, and when it works again', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { variables: VERBOSE });
  const directory = dirname(vaultPath(pod.bundle));
  await chown(directory, 0, 0);
  for (const text of ['first', 'second']) {
    await shell(running, `echo ${text} >file`);
    await autosaved(running, 15);
  }
  await chown(directory, OPERATOR, OPERATOR);
  await shell(running, 'echo third >file');
  await running.stderr.waitFor('changes are saved again');
  expect(await saved(pod.bundle, { ...CONTENTS, file: 'third\n' })).toEqual({ ...CONTENTS, file: 'third\n' });
  expect(running.stderr.text.match(/cannot save what has changed/g)).toHaveLength(1);
  expect(running.stderr.text.match(/^tazpod: /gm)).toHaveLength(1);
});

test('what is left out is named once, and the rest is saved', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { variables: VERBOSE });
  await shell(running, 'ln -s /etc away');
  await autosaved(running, 13);
  await shell(running, 'echo new >new');
  await autosaved(running, 13);
  expect(await saved(pod.bundle, { ...CONTENTS, new: 'new\n' })).toEqual({ ...CONTENTS, new: 'new\n' });
  expect(running.stderr.text.match(/away is left out/g)).toHaveLength(1);
});

test('with TAZPOD_AUTOSAVE=off nothing is saved before the lock', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, { variables: { TAZPOD_AUTOSAVE: 'off' } });
  await shell(running, 'echo new >new');
  await delay(3000);
  expect(await savedContents(pod.bundle)).toEqual(CONTENTS);
  await running.exec(['tazpod', 'lock'], { user: OPERATOR });
  expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, new: 'new\n' });
});

test('a lock at any moment of an autosave saves all, unmounts, and says nothing else; the next unlock is watched, too', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod);
  for (const pause of [0, 200, 300, 400, 500, 700]) {
    await shell(running, `echo ${pause} >file`);
    await delay(pause);
    const lock = await running.exec(['tazpod', 'lock', '--json'], { user: OPERATOR });
    expect(JSON.parse(lock.stdout)).toMatchObject({ ok: true, unmounted: true, holders: [] });
    expect(await traces(pod, running)).toEqual(NOTHING);
    expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, file: `${pause}\n` });
    await running.exec(['tazpod', 'unlock', '--passphrase-file', '-'], { user: OPERATOR, input: PASSPHRASE });
  }
  await shell(running, 'echo last >file');
  expect(await saved(pod.bundle, { ...CONTENTS, file: 'last\n' })).toEqual({ ...CONTENTS, file: 'last\n' });
  expect(running.stderr.text).not.toMatch(/cannot|warning/);
});

test('no name of a file stays in the memory of PID 1', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod);
  const names = ['made-canary-2f9e', 'moved-canary-c01d', 'below-canary-77aa'];
  const [made, moved, below] = names;
  await shell(running, `mkdir ${made}; echo x >${made}/${below}; mv ${made} ${moved}`);
  expect(await saved(pod.bundle, { ...CONTENTS, [`${moved}/${below}`]: 'x\n' })).toEqual({
    ...CONTENTS,
    [`${moved}/${below}`]: 'x\n',
  });
  // It may be listing directories still, when the vault is written.
  await expect.poll(() => wordsInMemory(running.pid, names), { timeout: 10_000 }).toEqual([]);
});
