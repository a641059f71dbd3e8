// A lock is final for those who still hold something of the enclave, in whatever way: they are named, and have nothing left.
// With --kill they are ended.

import { readFile, readlink } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { BRIDGE_TARGET, ENCLAVE, HOME } from '../../lib/paths.ts';
import { createPod, enclaveMounts, NOTHING, SECRETS, readSecrets, startPod, traces } from '../support/pod.ts';
import { fixture, type ExecResult, type Running, type Sandbox } from '../support/sandbox.ts';
import { CONTENTS, defaultVault, PASSPHRASE, placeVault, SECRET, savedContents } from '../support/vault.ts';

const OPERATOR = 1000;
const WAY_OUT = ['unshare', '--user', '--map-root-user', '--mount'] as const;

// One container for all of them, unlocked with the same vault at the beginning of each.
let pod: Sandbox;
let running: Running;

beforeAll(async () => {
  pod = await createPod();
  // What is written to the pipe comes out here: how processes inside say that they are ready.
  // Without autosave: what a lock saves is what the tests wrote.
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

async function tazpod(...words: string[]): Promise<ExecResult> {
  return running.exec(['tazpod', ...words], { user: OPERATOR, input: PASSPHRASE });
}

async function lock(...words: string[]): Promise<unknown> {
  return JSON.parse((await tazpod('lock', ...words, '--json')).stdout);
}

/** A process that runs until it is ended or the test is over. */
class Held implements AsyncDisposable {
  readonly pid: number;
  readonly ended: Promise<ExecResult>;

  private constructor(pid: number, ended: Promise<ExecResult>) {
    this.pid = pid;
    this.ended = ended;
  }

  /** Starts one, and waits until it says that it is set. */
  static async start(command: readonly string[], user = OPERATOR): Promise<Held> {
    const ended = running.exec(command, { user });
    const [, pid = ''] = await running.stdout.waitFor(/set (\d+)\n/);
    return new Held(Number(pid), ended);
  }

  /** Something that holds the enclave (test/fixtures/hold). */
  static by(way: string, prefix: readonly string[] = [], user = OPERATOR): Promise<Held> {
    return Held.start([...prefix, fixture('hold'), way, ENCLAVE], user);
  }

  /** A shell script that goes on with `sleep`. */
  static shell(script: string, user = OPERATOR): Promise<Held> {
    return Held.start(['sh', '-c', `${script}; echo set $$ >/tmp/news; exec sleep infinity`], user);
  }

  /** What it has of the enclave now. */
  async has(): Promise<unknown> {
    await running.exec(['kill', '-USR1', String(this.pid)]);
    const [, json = ''] = await running.stdout.waitFor(/has (.*)\n/);
    return JSON.parse(json);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await running.exec(['kill', '-KILL', String(this.pid)]);
    await this.ended;
  }
}

describe('after a lock nothing is left to a process', () => {
  // Nothing can be read, and what was added would have no room.
  const emptied = { read: '', added: 'ENOSPC' };
  // What is there is the file that leaves no room for another one.
  const closed = { names: ['.locked'], created: 'EACCES' };
  const hidden = { names: 'EACCES', read: 'EACCES', created: 'EACCES', device: 2 };

  test.each([
    { name: 'that reads a file', way: 'read', has: { read: '' } },
    { name: 'that writes to a file', way: 'write', has: emptied },
    { name: 'whose open file was unlinked', way: 'unlinked', has: emptied },
    { name: 'whose open file never had a name', way: 'nameless', has: emptied },
    { name: 'who has set room aside for an open file', way: 'reserved', has: emptied },
    { name: 'that maps a file', way: 'shared', has: { mapped: 'SIGBUS' } },
    { name: 'that maps a file for itself', way: 'private', has: { mapped: 'SIGBUS' } },
    // Cutting a file takes the copies that were made of its pages, too (mmap(2): SIGBUS beyond the end of the file).
    { name: 'that changed what it maps for itself', way: 'dirty', has: { mapped: 'SIGBUS' } },
    { name: 'that maps a file that was unlinked', way: 'mapped-and-unlinked', has: { mapped: 'SIGBUS' } },
    { name: 'that works in the enclave', way: 'working', has: closed },
    { name: 'that works in a directory of it', way: 'working-below', has: { names: [], created: 'EACCES' } },
    { name: 'with a mount namespace of its own', way: 'mounted', prefix: WAY_OUT, has: hidden },
    { name: 'with a bind mount of its own', way: 'bound', prefix: WAY_OUT, has: hidden },
  ])('$name, which is named', async ({ way, prefix, has }) => {
    await using holder = await Held.by(way, prefix);
    expect(await lock('--discard')).toMatchObject({
      unmounted: true,
      holders: [{ pid: holder.pid, command: expect.stringContaining(`hold ${way}`) }],
    });
    expect(await holder.has()).toEqual(has);
  });

  test('of root’s that works in it, which is named', async () => {
    await using holder = await Held.by('working', [], 0);
    expect(await lock()).toMatchObject({ unmounted: true, holders: [{ pid: holder.pid }] });
    expect(await holder.has()).toMatchObject({ names: ['.locked'], created: 'ENOSPC' });
  });

  test('that has an open file on its way through a socket', async () => {
    await using holder = await Held.by('in-flight');
    expect(await lock('--discard')).toMatchObject({ unmounted: true });
    expect(await holder.has()).toEqual(emptied);
  });

  test('but what has no name, and no process holds: that is said, with its size', async () => {
    // The one thing that cannot be reached: a descriptor in a socket, of a file that was unlinked.
    await using holder = await Held.by('in-flight-unlinked');
    expect(await lock('--discard')).toMatchObject({ unmounted: true });
    await running.stderr.waitFor(/cannot empty files without names .*: 12288 bytes stay/);
    expect(await holder.has()).toEqual({ read: SECRET.slice(0, 7), added: 9500 });
  });

  test('that goes on writing and creating while it is wiped', async () => {
    for (let round = 0; round < 5; round++) {
      await using one = await Held.by('writing');
      await using other = await Held.by('writing');
      const holders = [one, other];
      const named = holders.map(({ pid }): unknown => expect.objectContaining({ pid }));
      expect(await lock('--discard')).toMatchObject({ unmounted: true, holders: expect.arrayContaining(named) });
      for (const holder of holders) {
        expect(await holder.has()).toEqual({
          names: ["['.locked']", '[]'],
          created: ['EACCES'],
          kept: 0,
          files: true,
        });
      }
      await tazpod('unlock', '--passphrase-file', '-');
    }
  });
});

describe('a lock finds the enclave', () => {
  // A process whose mount namespace is older than the mount can do with the directory below what it likes.
  async function fromOlderNamespace(script: string): Promise<void> {
    await tazpod('lock', '--discard');
    await using _ = await Held.start([
      ...WAY_OUT,
      'sh',
      '-c',
      `trap '${script}; echo done >/tmp/news' USR1; echo set $$ >/tmp/news; while :; do sleep 1000 >/dev/null 2>&1 & wait; done`,
    ]);
    await tazpod('unlock', '--passphrase-file', '-');
    expect(await readSecrets(running)).toBe(SECRETS);
    await running.exec(['kill', '-USR1', String(_.pid)]);
    await running.stdout.waitFor('done\n');
  }

  async function deviceOfEnclave(): Promise<string | undefined> {
    return (await running.mounts()).find(({ point }) => point.startsWith(HOME))?.device;
  }

  test.each([
    { name: 'that was renamed', script: `mv ${ENCLAVE} ${HOME}/elsewhere`, undo: `mv ${HOME}/elsewhere ${ENCLAVE}` },
    { name: 'whose bridge was renamed', script: `mv ${BRIDGE_TARGET} ${HOME}/aws`, undo: `rm -d ${HOME}/aws` },
    {
      name: 'that was exchanged for a link to /etc',
      script: `mv ${ENCLAVE} ${HOME}/elsewhere; ln -s /etc ${ENCLAVE}`,
      undo: `rm ${ENCLAVE}; mv ${HOME}/elsewhere ${ENCLAVE}`,
    },
  ])('$name from an older namespace', async ({ script, undo }) => {
    await fromOlderNamespace(script);
    const device = await deviceOfEnclave();
    expect(device).toMatch(/^0:/);
    expect(await lock('--discard')).toMatchObject({ unmounted: true, holders: [] });
    expect((await running.mounts()).filter((mount) => mount.device === device)).toEqual([]);
    await running.exec(['sh', '-c', undo]);
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('that root covered with another mount', async () => {
    await running.exec(['mount', '-t', 'tmpfs', 'cover', ENCLAVE]);
    expect(await lock('--discard')).toMatchObject({ unmounted: true });
    expect(await enclaveMounts(running)).toEqual([]);
  });
});

describe('a lock leaves alone', () => {
  test('what root mounted in the enclave from elsewhere: files and directories', async () => {
    await running.exec([
      'sh',
      '-c',
      `mkdir -p /var/foreign; echo kept >/var/foreign/file; touch ${ENCLAVE}/file; mkdir ${ENCLAVE}/directory
       mount --bind /var/foreign/file ${ENCLAVE}/file; mount --bind /var/foreign ${ENCLAVE}/directory`,
    ]);
    await tazpod('save');
    await lock('--discard');
    expect(await running.exec(['sh', '-c', 'cat /var/foreign/file; stat -c %U /var/foreign/file'])).toMatchObject({
      stdout: 'kept\nroot',
    });
  });
});

describe('`tazpod lock --kill`', () => {
  test('ends those who hold the enclave, after the save, and names them', async () => {
    await using worker = await Held.shell(`cd ${ENCLAVE}`);
    await using reader = await Held.shell(`echo new >${ENCLAVE}/new; exec 5<${ENCLAVE}/new`);
    await using mount = await Held.by('mounted', WAY_OUT);
    await using stubborn = await Held.shell(`cd ${ENCLAVE}; trap '' TERM`);
    await using bystander = await Held.shell('cd /');
    const all = [worker, reader, mount, stubborn];
    expect(await lock('--kill')).toMatchObject({
      unmounted: true,
      written: true,
      holders: [],
      ended: all.map(({ pid }) => ({ pid, command: expect.any(String) })),
    });
    await Promise.all(all.map(({ ended }) => ended));
    expect(await running.exec(['kill', '-0', String(bystander.pid)])).toMatchObject({ code: 0 });
    expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, new: 'new\n' });
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('ends nobody when the save fails', async () => {
    await using holder = await Held.shell(`cd ${ENCLAVE}; mkfifo pipe`);
    expect(await tazpod('lock', '--kill')).toMatchObject({ code: 13 });
    expect(await readlink(`${running.rootPath('/proc')}/${holder.pid}/cwd`)).toBe(ENCLAVE);
    expect(await lock('--kill', '--discard')).toMatchObject({ ended: [{ pid: holder.pid }] });
  });

  test('spares the shell that calls it, and what that was started from, and names them', async () => {
    const script = `cd ${ENCLAVE}; sh -c 'cd ..; (cd secrets; tazpod lock --kill --json; :)'; echo alive $$`;
    const { stdout } = await running.exec(['sh', '-c', script], { user: OPERATOR });
    const [json = '', alive] = stdout.split('\n');
    expect(alive).toMatch(/^alive \d+$/);
    expect(JSON.parse(json)).toMatchObject({
      unmounted: true,
      ended: [],
      holders: [
        { pid: Number(alive?.slice('alive '.length)), command: expect.any(String) },
        { pid: expect.any(Number), command: expect.any(String) },
      ],
    });
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('called from the enclave, it does not hold it itself', async () => {
    const { stdout } = await running.exec(['env', '--chdir', ENCLAVE, 'tazpod', 'lock', '--discard', '--json'], {
      user: OPERATOR,
    });
    expect(JSON.parse(stdout)).toMatchObject({ unmounted: true, holders: [] });
  });

  test('does not end what the operator could not end: a shell of root’s stays, and is named', async () => {
    await using holder = await Held.shell(`cd ${ENCLAVE}`, 0);
    expect(await lock('--kill')).toMatchObject({ unmounted: true, ended: [], holders: [{ pid: holder.pid }] });
    expect(await running.exec(['kill', '-0', String(holder.pid)])).toMatchObject({ code: 0 });
  });

  test('tells people whom it ended', async () => {
    await using holder = await Held.shell(`cd ${ENCLAVE}`);
    const { stderr } = await tazpod('lock', '--kill');
    expect(stderr).toContain(`tazpod: ended process ${holder.pid} (sleep infinity)\n`);
  });
});

test('`tazpod lock --kill` spares the command of the container, and names it', async () => {
  await using own = await createPod();
  const other = await startPod(own, ['sh', '-c', `cd ${ENCLAVE}; echo ready; exec sleep infinity`], {
    variables: { TAZPOD_PASSPHRASE: PASSPHRASE },
  });
  await other.stdout.waitFor('ready');
  const { stdout } = await other.exec(['tazpod', 'lock', '--kill', '--json'], { user: OPERATOR });
  expect(JSON.parse(stdout)).toMatchObject({ unmounted: true, ended: [], holders: [{ command: 'sleep infinity' }] });
  expect(await readFile(`/proc/${other.pid}/stat`, 'latin1')).toContain('(tazpod-init)');
  other.signal('SIGTERM');
  expect(await other.exited).toEqual({ code: 143, signal: null });
});

test('more holders than a reply names: all are ended, and the answer comes', async () => {
  await using _many = await Held.shell(`cd ${ENCLAVE}; for _ in $(seq 250); do sleep infinity & done`);
  const { stdout } = await tazpod('status', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ enclave: { holders: { length: 200 } } });
  expect(await lock('--kill')).toMatchObject({ ok: true, unmounted: true, holders: [], ended: { length: 200 } });
});
