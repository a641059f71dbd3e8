// The worker that the launcher starts beside PID 1: it is there where a passphrase is given, is the operator's before it reads one, and
// wherever it is not wanted it is gone before anybody could see it. Without it everything works as well.

import { lstatSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

import { ENTRYPOINT } from '../../build/executable.ts';
import { createPod, processesOf, SECRET_FILE, startPod, startUnlocked, WITH_SECRET } from '../support/pod.ts';
import { INITS, type Running } from '../support/sandbox.ts';
import { CONTENTS, PASSPHRASE } from '../support/vault.ts';

const OPERATOR = 1000;
const SYS_ADMIN = 1n << 21n;
/** Waits until no worker is left: the kernel takes a while for the end of one. */
const ALONE =
  'while grep -aq "^tazpod.unlock" /proc/[0-9]*/cmdline; do sleep 0.01; done; ls /proc/self/fd | tr "\\n" " "; env | grep STANDBY || true';
const NOTES = ['sh', '-c', `cat ~/secrets/notes.md; ${ALONE}`];
const REQUIRED = { ...WITH_SECRET.variables, TAZPOD_UNLOCK: 'required' };
/** 0–2, and the one that the directory is read with. */
const DESCRIPTORS = '0 1 2 3 ';
const OUTPUT = `${CONTENTS['notes.md']}${DESCRIPTORS}`;
/** Where there is no C compiler there is no launcher: in CI there has to be one. */
const isLaunched = process.env['CI'] === 'true' || !lstatSync(ENTRYPOINT).isSymbolicLink();

/** The program as it is where there was no C compiler. */
const BARE = ['bash', '-c', 'exec -a tazpod-entrypoint /usr/local/bin/tazpod -- "$@"', '-'];

interface Seen {
  readonly status: string;
  readonly environment: string;
}

/** The worker on standby once it is the operator's; undefined where it was too quick for us. */
async function watchForStandby(running: Running): Promise<Seen | undefined> {
  const text = (pid: number, file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  const container = { isOver: false };
  void running.exited.then(() => (container.isOver = true));
  while (!container.isOver) {
    for (const pid of await processesOf(running).catch(() => [])) {
      if (!(await text(pid, 'cmdline')).includes('\0--standby\0')) continue;
      const [status, environment] = [await text(pid, 'status'), await text(pid, 'environ')];
      if (!new RegExp(`^Uid:\\t${OPERATOR}\\t`, 'm').test(status) || environment === '') continue;
      return { status, environment };
    }
  }
  return undefined;
}

test.skipIf(!isLaunched)(
  'unlocks as the operator, in a session of its own, without the passphrase in its environment',
  async () => {
    await using pod = await createPod();
    let seen: Seen | undefined;
    for (let start = 0; start < 20 && seen === undefined; start++) {
      const running = await startPod(pod, NOTES, { ...WITH_SECRET, variables: { ...REQUIRED, MARK: 'theirs' } });
      seen = await watchForStandby(running);
      expect(await running.exited).toEqual({ code: 0, signal: null });
    }
    const field = (name: string): string => new RegExp(`^${name}:\\t(.*)$`, 'm').exec(seen?.status ?? '')?.[1] ?? '';
    expect(field('Uid')).toBe([OPERATOR, OPERATOR, OPERATOR, OPERATOR].join('\t'));
    expect(field('Gid')).toBe([OPERATOR, OPERATOR, OPERATOR, OPERATOR].join('\t'));
    expect(BigInt(`0x${field('CapBnd')}`) & SYS_ADMIN).toBe(0n);
    expect(field('CapPrm')).toBe('0'.repeat(16));
    expect(seen?.environment).toContain('MARK=theirs');
    expect(seen?.environment).not.toContain('TAZPOD_PASSPHRASE');
    expect(field('NSsid')).toBe(field('NSpid'));
  },
);

test.each([
  { how: 'a passphrase file', options: { ...WITH_SECRET, variables: REQUIRED } },
  { how: 'a file that only root may read', options: { ...WITH_SECRET, secretMode: '0400', variables: REQUIRED } },
  { how: 'the environment', options: { variables: { TAZPOD_PASSPHRASE: PASSPHRASE } } },
])('$how: the vault is unlocked, and the command finds nothing of it', async ({ options }) => {
  await using pod = await createPod();
  const running = await startPod(pod, NOTES, options);
  await running.exited;
  expect(await running.stdout.whole()).toBe(OUTPUT);
});

test.each([
  { why: 'nothing is to be unlocked', variables: { ...WITH_SECRET.variables, TAZPOD_UNLOCK: 'never' }, says: '' },
  {
    why: 'the passphrase file is not there',
    variables: { TAZPOD_PASSPHRASE_FILE: `${SECRET_FILE}-missing` },
    says: 'cannot read the passphrase file',
  },
])('$why: the command is alone with PID 1', async ({ variables, says }) => {
  await using pod = await createPod();
  const running = await startPod(pod, ['sh', '-c', ALONE], {
    ...WITH_SECRET,
    variables,
  });
  expect(await running.exited).toEqual({ code: 0, signal: null });
  expect(await running.stdout.whole()).toBe(DESCRIPTORS);
  expect(await running.stderr.whole()).toContain(says);
});

test('without the launcher PID 1 starts a worker itself', async () => {
  await using pod = await createPod();
  const running = await pod.start([...BARE, ...NOTES], {
    environment: { PATH: '/usr/bin:/bin', TAZPOD_PASSPHRASE: PASSPHRASE },
  });
  await running.exited;
  expect(await running.stdout.whole()).toBe(OUTPUT);
});

test('where it has died PID 1 starts another', async () => {
  await using pod = await createPod();
  const program = `
    use Socket;
    $^F = 99;
    socketpair(my $own, my $other, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
    my $pid = fork;
    exit 1 if $pid == 0;
    close $other;
    $ENV{TAZPOD_STANDBY} = "$pid," . fileno($own);
    exec { "/usr/local/bin/tazpod" } "tazpod-entrypoint", "--", @ARGV;
  `;
  const running = await pod.start(['/usr/bin/perl', '-e', program, ...NOTES], {
    environment: { PATH: '/usr/bin:/bin', TAZPOD_PASSPHRASE: PASSPHRASE },
  });
  await running.exited;
  expect(await running.stdout.whole()).toBe(OUTPUT);
  expect(await running.stderr.whole()).not.toContain('cannot');
});

test('an init that is not PID 1, and one that is given nothing to run with, leave no worker behind', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod);
  const { stdout, stderr } = await running.exec(
    [
      'sh',
      '-c',
      `${INITS.ours} -s -- true; ${INITS.ours} --version; ${INITS.ours} --no-such-flag; while pgrep -f -- [-]-standby >/dev/null; do sleep 0.01; done`,
    ],
    { environment: { PATH: '/usr/bin:/bin', TAZPOD_PASSPHRASE: PASSPHRASE } },
  );
  expect(stdout).toMatch(/^tazpod-entrypoint \d[^\n]*$/);
  expect(stderr).toContain('unknown flag');
});

test.skipIf(!isLaunched)('without the program beside it the launcher says what it lacks: 125', async () => {
  await using pod = await createPod();
  const running = await pod.start(['sh', '-c', `cp ${INITS.ours} /tmp/; exec /tmp/tazpod-entrypoint -- true`]);
  expect(await running.exited).toEqual({ code: 125, signal: null });
  expect(await running.stderr.whole()).toBe(
    'tazpod-entrypoint: cannot run /tmp/tazpod, which belongs beside it: it is not there\n',
  );
});
