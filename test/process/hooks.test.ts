// Hooks: programs of the image that run as the operator when the vault has been unlocked, before it is locked, and before
// the container ends. What they do is looked for where a person would look: in the enclave, the vault, and the log.

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';

import { ENCLAVE } from '../../lib/paths.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { type HookFiles, HOOKS, IMAGE, placeHooks, SHOW_HOOKS } from '../support/hooks.ts';
import {
  createPod,
  NO_REMAINS,
  type PodOptions,
  processesOf,
  remains,
  startPod,
  startUnlocked,
  WAIT,
  WITH_SECRET,
} from '../support/pod.ts';
import type { Running, Sandbox } from '../support/sandbox.ts';
import { savedContents } from '../support/vault.ts';

const TAZPOD = '/usr/local/bin/tazpod';
/** More than the longest hook below is meant to take, on a machine that is busy. */
const BRIEF = { TAZPOD_HOOK_TIMEOUT: '1s' } as const;
const HANG = '#!/bin/sh\nexec sleep infinity\n';

async function podWithHooks(hooks: HookFiles): Promise<Sandbox> {
  const pod = await createPod();
  await placeHooks(pod, hooks);
  return pod;
}

function start(pod: Sandbox, command: readonly string[], { prepare = '', ...options }: PodOptions = {}) {
  return startPod(pod, command, { ...options, prepare: `${prepare}${SHOW_HOOKS}` });
}

function unlockedWith(pod: Sandbox, { prepare = '', ...options }: PodOptions = {}) {
  return startUnlocked(pod, { ...options, prepare: `${prepare}${SHOW_HOOKS}` });
}

/** A hook that writes a line into a file. */
function note(file: string, line: string): string {
  return `#!/bin/sh\necho "${line}" >>${file}\n`;
}

function tazpod(running: Running, ...words: string[]) {
  return running.exec([TAZPOD, ...words], { user: OPERATOR_ID });
}

async function stopped(running: Running) {
  running.signal('SIGTERM');
  const exit = await running.exited;
  return { ...exit, log: await running.stderr.whole() };
}

const NOTES = `${ENCLAVE}/hooks.txt`;

describe('the hooks of an unlock', () => {
  test('run in order, as the operator, with the environment of the command, before it', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/20-second': note(NOTES, '$(id -un) $HOME $TAZPOD_HOOK $EXTRA'),
      'unlocked.d/10-first': note(NOTES, 'first $(tty) $(ls /proc/self/fd | wc -l)'),
    });
    const running = await start(pod, ['sh', '-c', `cat ${NOTES}`], {
      ...WITH_SECRET,
      variables: { ...WITH_SECRET.variables, EXTRA: 'of the container' },
    });
    // 0, 1, 2, and the one that ls(1) reads the directory with.
    expect(await running.stdout.whole()).toBe('first not a tty 4\ntazpod /home/tazpod unlocked of the container\n');
    expect(await running.exited).toMatchObject({ code: 0 });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('do not run while the vault is locked', async () => {
    await using pod = await podWithHooks({ 'unlocked.d/10-any': '#!/bin/sh\necho it ran\n' });
    const running = await start(pod, ['true'], { variables: { TAZPOD_UNLOCK: 'never' } });
    await running.exited;
    expect(await running.stderr.whole()).not.toContain('it ran');
  });

  test('run again at each unlock from the shell, which waits for them and is told of one that fails', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/10-count': note(NOTES, 'unlocked'),
      'unlocked.d/20-fail': '#!/bin/sh\nexit 3\n',
    });
    const running = await unlockedWith(pod);
    expect((await tazpod(running, 'lock')).code).toBe(0);
    const again = await tazpod(running, 'unlock', '--json', '--passphrase-file', '/run/secrets/passphrase');
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({
      failedHooks: [{ hook: 'unlocked.d/20-fail', reason: 'it ended with status 3' }],
    });
    expect(again.stderr).toContain('the hook unlocked.d/20-fail failed: it ended with status 3');
    expect(await readFile(running.rootPath(NOTES), 'utf8')).toBe('unlocked\nunlocked\n');
    // Unlocked as it is, nothing is new.
    expect((await tazpod(running, 'unlock')).stderr).toContain('already unlocked');
    expect(await readFile(running.rootPath(NOTES), 'utf8')).toBe('unlocked\nunlocked\n');
  });

  test('that fail, or cannot be run, are told, and the command runs all the same', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/10-status': '#!/bin/sh\nexit 7\n',
      'unlocked.d/20-signal': '#!/bin/sh\nkill -9 $$\n',
      'unlocked.d/30-interpreter': '#!/no/such/thing\n',
      'unlocked.d/40-no-head': 'echo a script without a first line\n',
    });
    const running = await start(pod, ['echo', 'the command'], WITH_SECRET);
    expect(await running.stdout.whole()).toBe('the command\n');
    const log = await running.stderr.whole();
    expect(log).toContain('the hook unlocked.d/10-status failed: it ended with status 7');
    expect(log).toContain('the hook unlocked.d/20-signal failed: signal 9 has ended it');
    expect(log).toMatch(/the hook unlocked\.d\/30-interpreter failed: cannot run \S+: no such file/);
    expect(log).toContain('unlocked.d/40-no-head: a script without a first line');
  });

  test('that hang are ended, with what they have started, when their time is over', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/10-hangs': `#!/bin/sh\ntrap '' TERM\ncd ${ENCLAVE}\nsleep 1000 &\nwhile :; do sleep 1000; done\n`,
      'unlocked.d/20-next': note(NOTES, 'next'),
    });
    const running = await unlockedWith(pod, { variables: BRIEF });
    expect(await readFile(running.rootPath(NOTES), 'utf8')).toBe('next\n');
    const names = await Promise.all(
      (await processesOf(running)).map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
    );
    expect(names.filter((name) => name.split('\0', 2).join(' ') === 'sleep 1000')).toEqual([]);
    await running.stderr.waitFor('the hook unlocked.d/10-hangs failed: it did not end within 1 s');
  });

  test('may leave a daemon running, whose output is still taken', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/10-daemon': '#!/bin/sh\n(read go </workspace/go; echo from the daemon; read go </workspace/go) &\n',
    });
    const running = await unlockedWith(pod, { prepare: 'mkfifo -m 666 /workspace/go\n' });
    await running.exec(['sh', '-c', 'echo >/workspace/go']);
    const [line] = await running.stderr.waitFor(/^.*from the daemon.*$/m);
    expect(JSON.parse(line)).toMatchObject({ msg: 'unlocked.d/10-daemon: from the daemon' });
  });

  test('are ended when a signal aborts the boot; what they have changed is saved', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/10-changes': note(NOTES, 'changed'),
      'unlocked.d/20-hangs': `#!/bin/sh\necho hanging\nexec sleep infinity\n`,
    });
    const running = await start(pod, ['echo', 'the command'], WITH_SECRET);
    await running.stderr.waitFor('unlocked.d/20-hangs: hanging');
    running.signal('SIGTERM');
    expect(await running.exited).toMatchObject({ code: 143 });
    expect(await running.stdout.whole()).toBe('');
    expect(await savedContents(pod.bundle)).toMatchObject({ 'hooks.txt': 'changed\n' });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('are ended by a lock that does not wait for them', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/10-hangs': `#!/bin/sh\n[ -e /workspace/hang ] || exit 0\necho hanging\nexec sleep infinity\n`,
    });
    const running = await unlockedWith(pod);
    expect((await tazpod(running, 'lock')).code).toBe(0);
    await running.exec(['touch', '/workspace/hang']);
    const unlocking = tazpod(running, 'unlock', '--passphrase-file', '/run/secrets/passphrase');
    await running.stderr.waitFor('unlocked.d/10-hangs: hanging');
    expect((await tazpod(running, 'lock')).code).toBe(0);
    expect((await unlocking).stderr).toContain('the hook unlocked.d/10-hangs failed: the lock does not wait for it');
    expect((await tazpod(running, 'status')).stdout).toContain('locked');
  });
});

describe('the hooks of a lock', () => {
  test('run before the save: what they write is in the vault; one may save itself', async () => {
    await using pod = await podWithHooks({
      'locking.d/10-write': `${note(NOTES, 'locking')}exec ${TAZPOD} save\n`,
    });
    const running = await unlockedWith(pod);
    const lock = await tazpod(running, 'lock', '--json');
    expect(JSON.parse(lock.stdout)).toMatchObject({ ok: true, failedHooks: [] });
    expect(await savedContents(pod.bundle)).toMatchObject({ 'hooks.txt': 'locking\n' });
  });

  test('run around a `tazpod run` that unlocks, as those of the unlock do', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/10-write': note(NOTES, 'unlocked'),
      'locking.d/10-write': `${note(NOTES, 'locking')}exec ${TAZPOD} save\n`,
    });
    const variables = { TAZPOD_UNLOCK: 'never' };
    const running = await start(pod, WAIT, { ...WITH_SECRET, variables });
    await running.stdout.waitFor('ready');
    const words = ['run', '--passphrase-file', '/run/secrets/passphrase', '--', 'cat', NOTES];
    expect(await tazpod(running, ...words)).toMatchObject({ code: 0, stdout: 'unlocked' });
    expect((await tazpod(running, 'status', '--unlocked')).code).toBe(18);
    expect(await savedContents(pod.bundle)).toMatchObject({ 'hooks.txt': 'unlocked\nlocking\n' });
  });

  test('keep nothing from being locked, failing or hanging', async () => {
    await using pod = await podWithHooks({ 'locking.d/10-fail': '#!/bin/sh\nexit 1\n', 'locking.d/20-hang': HANG });
    const running = await unlockedWith(pod, { variables: BRIEF });
    const lock = await tazpod(running, 'lock');
    expect(lock.code).toBe(0);
    expect(lock.stderr).toContain('the hook locking.d/10-fail failed: it ended with status 1');
    expect(lock.stderr).toContain('the hook locking.d/20-hang failed: it did not end within 1 s');
    expect((await tazpod(running, 'status', '--unlocked')).code).toBe(18);
    // Locked as it is, there is nothing to be said before it.
    expect((await tazpod(running, 'lock')).stderr).toBe('tazpod: already locked');
  });
});

describe('the end of the container', () => {
  const END = {
    'stopping.d/10-stop': note(NOTES, '$TAZPOD_HOOK'),
    'locking.d/10-lock': note(NOTES, '$TAZPOD_HOOK, and $(cat /workspace/daemon) lives'),
  };

  test.each([
    { name: 'a stop request', stop: true, command: [...WAIT], status: 143 },
    { name: 'the end of the command', stop: false, command: ['sh', '-c', 'exit 5'], status: 5 },
  ])('begins, at $name, with its hooks; then come those of the lock; then all else is ended', async (row) => {
    await using pod = await podWithHooks({
      ...END,
      'unlocked.d/10-daemon': '#!/bin/sh\nsetsid sleep infinity &\necho sleep >/workspace/daemon\n',
    });
    const running = await start(pod, row.command, WITH_SECRET);
    if (row.stop) {
      await running.stdout.waitFor('ready');
      running.signal('SIGTERM');
    }
    expect(await running.exited).toMatchObject({ code: row.status });
    expect(await savedContents(pod.bundle)).toMatchObject({ 'hooks.txt': 'stopping\nlocking, and sleep lives\n' });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('runs the hooks of the lock only where there is something to lock', async () => {
    await using pod = await podWithHooks({
      'stopping.d/10-stop': '#!/bin/sh\necho stopping\n',
      'locking.d/10-lock': '#!/bin/sh\necho locking\n',
    });
    const running = await start(pod, ['true'], { variables: { TAZPOD_UNLOCK: 'never' } });
    await running.exited;
    const log = await running.stderr.whole();
    expect(log).toContain('stopping.d/10-stop: stopping');
    expect(log).not.toContain('locking.d');
  });

  test('does not wait for hooks longer than a stop may take: the save and the lock have their time', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/10-write': note(NOTES, 'to be saved'),
      'stopping.d/10-hang': HANG,
      'stopping.d/20-after': '#!/bin/sh\necho it ran\n',
      'locking.d/10-after': '#!/bin/sh\necho it ran\n',
    });
    const running = await unlockedWith(pod, { variables: { TAZPOD_HOOK_TIMEOUT: '1m' } });
    const asked = performance.now();
    const { code, log } = await stopped(running);
    expect(performance.now() - asked).toBeLessThan(9000);
    expect(code).toBe(143);
    for (const hook of ['stopping.d/10-hang', 'stopping.d/20-after', 'locking.d/10-after']) {
      expect(log).toContain(`the hook ${hook} failed: the stop leaves no more time for it`);
    }
    expect(log).not.toContain('it ran');
    expect(await savedContents(pod.bundle)).toMatchObject({ 'hooks.txt': 'to be saved\n' });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('does not wait for them any longer at a second stop request', async () => {
    await using pod = await podWithHooks({ 'stopping.d/10-hang': '#!/bin/sh\necho hanging\nexec sleep infinity\n' });
    const running = await unlockedWith(pod, { variables: { TAZPOD_HOOK_TIMEOUT: '1m' } });
    running.signal('SIGTERM');
    await running.stderr.waitFor('stopping.d/10-hang: hanging');
    running.signal('SIGTERM');
    await running.stderr.waitFor('the hook stopping.d/10-hang failed: the stop leaves no more time for it');
    expect(await running.exited).toMatchObject({ code: 143 });
  });
});

describe('what is no hook', () => {
  test.each([
    { name: 'not executable', hook: '10-x', mode: 0o644, owner: '0:0', says: 'it is not executable' },
    { name: 'of another name', hook: '10-x.sh', mode: 0o755, owner: '0:0', says: 'its name holds something else' },
    {
      name: 'of a name that no terminal shows',
      hook: 'x\u009b2J',
      mode: 0o755,
      owner: '0:0',
      says: 'x?2J is no hook',
    },
    { name: 'for everybody to write', hook: '10-x', mode: 0o757, owner: '0:0', says: 'written to by everybody' },
    { name: 'for a group to write', hook: '10-x', mode: 0o775, owner: '0:4242', says: 'by its group, gid 4242' },
    { name: "somebody else's", hook: '10-x', mode: 0o755, owner: '4242:0', says: 'by its owner, uid 4242' },
  ])('is not run, and said: $name', async ({ hook, mode, owner, says }) => {
    await using pod = await podWithHooks({ [`stopping.d/${hook}`]: { text: '#!/bin/sh\necho it ran\n', mode } });
    const prepare = `chown ${owner} ${HOOKS}/stopping.d/*; chmod ${mode.toString(8)} ${HOOKS}/stopping.d/*\n`;
    const running = await start(pod, ['true'], { prepare });
    await running.exited;
    const log = await running.stderr.whole();
    expect(log).toContain(says);
    expect(log).not.toContain('it ran');
  });

  test.each([
    ['the directory', `${HOOKS}/stopping.d`],
    ['the one above it', HOOKS],
  ])('is in a directory that anybody may write to: %s', async (_name, directory) => {
    await using pod = await podWithHooks({ 'stopping.d/10-x': '#!/bin/sh\necho it ran\n' });
    const running = await start(pod, ['true'], { prepare: `chmod 0777 ${directory}\n` });
    await running.exited;
    const log = await running.stderr.whole();
    expect(log).toContain(`${directory.replace(IMAGE, '/etc')} may be written to by everybody`);
    expect(log).not.toContain('it ran');
  });

  test('is not what the operator mounts from a checkout of its own, or an engine as links', async () => {
    await using pod = await podWithHooks({
      'stopping.d/..data/10-x': { text: '#!/bin/sh\necho it ran\n', mode: 0o775 },
    });
    const prepare = `chown -R ${OPERATOR_ID}:${OPERATOR_ID} ${HOOKS}; ln -s ..data/10-x ${HOOKS}/stopping.d/10-x\n`;
    const running = await start(pod, ['true'], { prepare });
    await running.exited;
    expect(await running.stderr.whole()).toContain('stopping.d/10-x: it ran');
  });
});

describe('what a hook writes', () => {
  test('is in the log line by line, printable, and bounded', async () => {
    await using pod = await podWithHooks({
      'stopping.d/10-odd': String.raw`#!/bin/sh
printf '\033[31mred\033[0m\ttext\r\n\033]0;title\007\nno newline at the end'
`,
      'stopping.d/20-long': '#!/bin/sh\nhead -c 100000 /dev/zero | tr "\\0" x\necho\necho after it\n',
      'stopping.d/30-many': '#!/bin/sh\nseq 1 500000\necho done >&2\n',
    });
    const running = await start(pod, ['true'], { variables: { TAZPOD_LOG_FORMAT: 'pretty' } });
    await running.exited;
    const lines = (await running.stderr.whole()).split('\n').map((line) => line.replace('tazpod-entrypoint: ', ''));
    const of = (hook: string) =>
      lines
        .filter((line) => line.startsWith(`stopping.d/${hook}: `))
        .map((line) => line.slice(`stopping.d/${hook}: `.length));
    expect(of('10-odd')).toEqual(['red text', '?]0;title?', 'no newline at the end']);
    expect(of('20-long')).toEqual([`${'x'.repeat(1000)}…`, 'after it']);
    expect(of('30-many')).toEqual([
      ...Array.from({ length: 200 }, (_, index) => String(index + 1)),
      '… (what comes after this is left out)',
    ]);
    expect(lines.filter((line) => line.includes('failed'))).toEqual([]);
  });

  test('is a field of a JSON line where the log is JSON, and is there while the hook runs', async () => {
    await using pod = await podWithHooks({
      'unlocked.d/10-hangs': '#!/bin/sh\necho "\\"quoted\\""\nexec sleep infinity\n',
    });
    const running = await start(pod, [...WAIT], {
      ...WITH_SECRET,
      variables: { ...WITH_SECRET.variables, TAZPOD_LOG_FORMAT: 'json' },
    });
    const [line] = await running.stderr.waitFor(/^.*quoted.*$/m);
    expect(JSON.parse(line)).toMatchObject({ level: 30, msg: 'unlocked.d/10-hangs: "quoted"' });
  });

  test('does not fill PID 1: a daemon that goes on and on is not listened to for ever', async () => {
    await using pod = await podWithHooks({ 'unlocked.d/10-flood': '#!/bin/sh\nyes &\n' });
    const running = await unlockedWith(pod);
    await running.stderr.waitFor('what comes after this is left out');
    const isGone = await running.exec(['timeout', '20', 'sh', '-c', 'while pgrep -x yes; do sleep 0.05; done']);
    expect(isGone.code).toBe(0);
  });
});
