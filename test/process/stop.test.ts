// The vault's way out when the container ends: saved, locked, nothing left, the right status, within docker's ten seconds.

import { access, readFile, stat } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';

import { BRIDGE_TARGET, CONTROL_SOCKET, ENCLAVE } from '../../lib/paths.ts';
import { Control } from '../support/control.ts';
import { createPod, NO_REMAINS, remains, startPod, startUnlocked, WAIT, WITH_SECRET } from '../support/pod.ts';
import { fixture, type Running, type Sandbox } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { CONTENTS, PASSPHRASE, saved, savedContents, vaultPath } from '../support/vault.ts';

/** What `docker stop` grants between TERM and KILL, in milliseconds. */
const GRACE = 10_000;
const OPERATOR = 1000;
/** What workers are started from. */
const TOOL = '/usr/local/bin/tazpod';
const WRITTEN = { ...CONTENTS, written: 'by the shell\n' };
const WRITE = `echo by the shell >${ENCLAVE}/written`;

/** Starts what only a second request ends soon, with a change that is not saved. */
async function startStubborn(pod: Sandbox): Promise<Running> {
  const running = await startPod(pod, [fixture('ignore-term')], {
    ...WITH_SECRET,
    variables: { ...WITH_SECRET.variables, TAZPOD_STOP_TIMEOUT: '1m', TAZPOD_AUTOSAVE: 'off' },
  });
  await running.stdout.waitFor('ready');
  await running.exec(['sh', '-c', WRITE], { user: OPERATOR });
  return running;
}

/** Asks for a stop as `docker stop` does, and tells the status. */
async function stop(running: Running, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  const began = performance.now();
  running.signal(signal);
  const { code } = await running.exited;
  expect(performance.now() - began).toBeLessThan(GRACE);
  return code;
}

describe('a stop request saves, locks and leaves nothing', () => {
  test('with an interactive shell on a terminal: 129', async () => {
    await using pod = await createPod();
    using terminal = await Terminal.open();
    const running = await startPod(pod, ['bash', '--norc', '-i'], { terminal });
    await terminal.screen.waitFor('Passphrase: ');
    terminal.type(`${PASSPHRASE}${KEYS.enter}`);
    await terminal.screen.waitFor('$ ');
    terminal.type(`${WRITE}; echo wri''tten${KEYS.enter}`);
    await terminal.screen.waitFor('written\r\n');
    expect(await stop(running)).toBe(129);
    expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('with a command that ends by TERM: 143', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    await running.exec(['sh', '-c', WRITE], { user: OPERATOR });
    expect(await stop(running)).toBe(143);
    expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('with a command that ignores TERM: 137, when its time is over', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, [fixture('ignore-term')], {
      ...WITH_SECRET,
      variables: { ...WITH_SECRET.variables, TAZPOD_STOP_TIMEOUT: '300ms' },
    });
    await running.stdout.waitFor('ready');
    await running.exec(['sh', '-c', WRITE], { user: OPERATOR });
    expect(await stop(running)).toBe(137);
    expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('with shells from outside and jobs that hold files of the enclave open', async () => {
    await using pod = await createPod();
    const job = `trap '' TERM HUP; exec 3>>${ENCLAVE}/job; cd ${ENCLAVE}/.aws; echo running >&3; echo job; sleep infinity`;
    const running = await startPod(
      pod,
      ['bash', '-c', `mkfifo /tmp/news; (${job}) & (${job}) & exec 4<>/tmp/news; cat <&4`],
      WITH_SECRET,
    );
    for (const _ of ['first', 'second']) await running.stdout.waitFor('job\n');
    const shells = [OPERATOR, 0].map((user) =>
      running.exec(['bash', '-c', `${WRITE}; exec 3<${ENCLAVE}/notes.md; echo shell >/tmp/news; sleep infinity`], {
        user,
      }),
    );
    for (const _ of shells) await running.stdout.waitFor('shell\n');
    expect(await stop(running)).toBe(143);
    for (const shell of shells) expect(await shell).toMatchObject({ code: null });
    expect(await savedContents(pod.bundle)).toEqual({ ...WRITTEN, job: 'running\nrunning\n' });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('before the end of a command that takes its time, too', async () => {
    await using pod = await createPod();
    const running = await startStubborn(pod);
    running.signal('SIGTERM');
    expect(await saved(pod.bundle, WRITTEN)).toEqual(WRITTEN);
    expect(await stop(running)).toBe(137);
  });

  test('at once, when it is asked for a second time', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, [fixture('ignore-term')], {
      ...WITH_SECRET,
      variables: { ...WITH_SECRET.variables, TAZPOD_STOP_TIMEOUT: '1m' },
    });
    await running.stdout.waitFor('ready');
    running.signal('SIGTERM');
    // Two signals that nobody has taken yet are one.
    await running.stderr.waitFor('stop requested');
    await running.exec(['sh', '-c', WRITE], { user: OPERATOR });
    expect(await stop(running)).toBe(137);
    expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
  });

  test('although no worker can be started while the command runs', async () => {
    await using pod = await createPod();
    const running = await startStubborn(pod);
    await running.exec(['mount', '--bind', '/dev/null', TOOL]);
    running.signal('SIGTERM');
    await running.stderr.waitFor('cannot save before the last save: cannot run');
    await running.exec(['umount', TOOL]);
    expect(await stop(running)).toBe(137);
    expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('although a client has begun a save, and does not go on', async () => {
    await using pod = await createPod();
    const running = await startPod(
      pod,
      ['sh', '-c', 'mkfifo /tmp/news; exec 4<>/tmp/news; echo ready; exec cat <&4'],
      WITH_SECRET,
    );
    await running.stdout.waitFor('ready');
    await running.exec(['sh', '-c', WRITE], { user: OPERATOR });
    const script = `
      use IO::Socket::UNIX;
      my $pid1 = IO::Socket::UNIX->new(Peer => '${CONTROL_SOCKET}') or die;
      syswrite $pid1, qq({"v":1,"op":"save"}\n);
      sysread $pid1, my $answer, 4096;
      open my $news, '>', '/tmp/news' or die;
      syswrite $news, "begun\n";
      sleep 1 while 1`;
    const client = running.exec(['perl', '-e', script], { user: OPERATOR });
    await running.stdout.waitFor('begun');
    expect(await stop(running)).toBe(143);
    await client;
    expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('although a client that nobody in the container can end has begun a save', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, { variables: { TAZPOD_STOP_TIMEOUT: '100ms', TAZPOD_AUTOSAVE: 'off' } });
    await running.exec(['sh', '-c', WRITE], { user: OPERATOR });
    using client = await Control.connect(running);
    await client.request({ op: 'save' });
    expect(await stop(running)).toBe(143);
    await client.ended();
    expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('by INT, where there is no terminal that it could come from', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, [fixture('ignore-term'), 'INT'], {
      ...WITH_SECRET,
      variables: { ...WITH_SECRET.variables, TAZPOD_STOP_TIMEOUT: '100ms' },
    });
    await running.stdout.waitFor('ready');
    expect(await stop(running, 'SIGINT')).toBe(137);
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('by a signal of one’s choice, and by no other', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, [fixture('signal-printer')], {
      ...WITH_SECRET,
      variables: { ...WITH_SECRET.variables, TAZPOD_STOP_SIGNAL: 'SIGRTMIN+3', TAZPOD_STOP_TIMEOUT: '100ms' },
    });
    await running.stdout.waitFor('ready\n');
    running.signal('SIGTERM');
    await running.stdout.waitFor(/^15\n/);
    running.signal(37);
    expect((await running.exited).code).toBe(137);
    expect(await running.stdout.whole()).toBe('ready\n15\n37\n');
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });
});

describe('a command that ends by itself', () => {
  test('has its status passed on, its files saved, and nothing left behind', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, ['sh', '-c', `${WRITE}; exit 7`], WITH_SECRET);
    expect(await running.exited).toEqual({ code: 7, signal: null });
    expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('leaves what it wrote for the next start', async () => {
    await using pod = await createPod();
    const first = await startPod(pod, ['sh', '-c', `${WRITE}; rm ${ENCLAVE}/notes.md`], WITH_SECRET);
    expect(await first.exited).toEqual({ code: 0, signal: null });
    const second = await startPod(pod, ['sh', '-c', `cat ${ENCLAVE}/written; ls -A ${ENCLAVE}`], WITH_SECRET);
    expect(await second.stdout.whole()).toBe('by the shell\n.aws\n.vault_pass\nwritten\n');
    expect(await second.exited).toEqual({ code: 0, signal: null });
  });

  test('without having changed anything leaves the vault untouched', async () => {
    await using pod = await createPod();
    const before = await stat(vaultPath(pod.bundle));
    const running = await startPod(pod, ['cat', `${BRIDGE_TARGET}/credentials`], WITH_SECRET);
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await stat(vaultPath(pod.bundle))).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
    await expect(access(`${vaultPath(pod.bundle)}.bak`)).rejects.toThrow('ENOENT');
  });

  test('having changed something leaves the vault as it was beside the new one', async () => {
    await using pod = await createPod();
    const before = await readFile(vaultPath(pod.bundle));
    const running = await startPod(pod, ['sh', '-c', WRITE], WITH_SECRET);
    await running.exited;
    expect(await readFile(`${vaultPath(pod.bundle)}.bak`)).toEqual(before);
  });

  test('in the middle of a job’s work: the job is ended first, and what it wrote is saved', async () => {
    await using pod = await createPod();
    const job = `trap 'echo ended >${ENCLAVE}/job; exit' TERM; echo set; while :; do sleep 1; done`;
    const running = await startPod(pod, ['bash', '-c', `(${job}) > >(read -r _; kill $$; cat) & wait`], WITH_SECRET);
    expect(await running.exited).toEqual({ code: 143, signal: null });
    expect(await savedContents(pod.bundle)).toMatchObject({ job: 'ended\n' });
    expect(await remains(pod)).toEqual(NO_REMAINS);
  });

  test('with a file that cannot be saved: the rest is, and the file is named', async () => {
    await using pod = await createPod();
    const running = await startPod(pod, ['sh', '-c', `${WRITE}; ln -s /etc/passwd ${ENCLAVE}/away`], WITH_SECRET);
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await running.stderr.whole()).toContain('away is left out');
    expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
  });
});

test('where no worker can be started for the last save, what is lost is said, and all else is as ever', async () => {
  await using pod = await createPod();
  const running = await startStubborn(pod);
  await running.exec(['mount', '--bind', '/dev/null', TOOL]);
  running.signal('SIGTERM');
  await running.stderr.waitFor('stop requested');
  expect(await stop(running)).toBe(137);
  const messages = await running.stderr.whole();
  expect(messages).toContain('cannot save the vault: cannot run');
  expect(messages).toContain('cannot write a copy: cannot run');
  expect(messages).toContain('changes since the last save are lost');
  expect(await savedContents(pod.bundle)).toEqual(CONTENTS);
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('a terminal that hangs up ends the container, saved and locked', async () => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const running = await startPod(pod, ['sh', '-c', `${WRITE}; echo ready; exec sleep infinity`], {
    terminal,
    ...WITH_SECRET,
  });
  await terminal.screen.waitFor('ready');
  terminal.hangUp();
  expect(await running.exited).toEqual({ code: 129, signal: null });
  expect(await savedContents(pod.bundle)).toEqual(WRITTEN);
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('PID 1 killed outright takes the enclave with it', async () => {
  await using pod = await createPod();
  const running = await startPod(pod, WAIT, WITH_SECRET);
  await running.stdout.waitFor('ready');
  running.signal('SIGKILL');
  expect(await running.exited).toEqual({ code: null, signal: 'SIGKILL' });
  expect(await remains(pod)).toEqual(NO_REMAINS);
});

test('a terminal that stops who writes in the background (tostop) stops no worker that warns', async () => {
  await using pod = await createPod();
  using terminal = await Terminal.open();
  const running = await startPod(pod, ['bash', '--norc', '-i'], { ...WITH_SECRET, terminal });
  await terminal.screen.waitFor('$ ');
  terminal.type(`stty tostop; mkfifo ${ENCLAVE}/fifo; echo changed >${ENCLAVE}/notes.md; exit 3${KEYS.enter}`);
  expect(await running.exited).toMatchObject({ code: 3 });
  expect(await terminal.ended()).toContain('fifo is left out: it is a fifo');
  expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, 'notes.md': 'changed\n' });
});
