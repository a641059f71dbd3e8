// The control socket, spoken to by hand: who may, in which order, and what becomes of a client that leaves in the middle.

import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { BRIDGE_TARGET, CONTROL_SOCKET, ENCLAVE } from '../../lib/paths.ts';
import { encodeRequest, MAX_BASELINE_LENGTH, MAX_LINE_BYTES } from '../../lib/protocol.ts';
import { Control } from '../support/control.ts';
import { createPod, enclaveMounts, NOTHING, startPod, traces, WAIT } from '../support/pod.ts';
import type { Running, Sandbox } from '../support/sandbox.ts';

const OPERATOR = 1000;
/** `daemon`, an account of every Debian. */
const SOMEBODY_ELSE = 1;

// One container for all of them, locked at the beginning of each.
let pod: Sandbox;
let running: Running;

beforeAll(async () => {
  pod = await createPod();
  running = await startPod(pod, WAIT);
  await running.stdout.waitFor('ready');
});

beforeEach(async () => {
  using client = await Control.connect(running);
  await client.request({ op: 'close' });
});

afterAll(async () => {
  await pod[Symbol.asyncDispose]();
});

/** Makes what a client has to make before it may commit. */
async function makeSource(): Promise<void> {
  await running.exec(['mkdir', `${ENCLAVE}/.aws`], { user: OPERATOR });
}

describe('an unlock', () => {
  test('is whole when it is committed', async () => {
    using client = await Control.connect(running);
    expect(await client.request({ op: 'open' })).toMatchObject({ size: 64 * 2 ** 20, cached: false });
    expect(await client.request({ op: 'status' })).toMatchObject({ state: 'opening', pid: 1 });
    await makeSource();
    expect(await client.request({ op: 'commit', baseline: '' })).toMatchObject({ bridge: 'mount', covers: false });
    expect(await client.request({ op: 'status' })).toMatchObject({ state: 'unlocked' });
    await client.end();
    expect(await enclaveMounts(running)).toEqual([BRIDGE_TARGET, ENCLAVE]);
  });

  test('is undone when its connection ends before it was committed', async () => {
    using client = await Control.connect(running);
    await client.request({ op: 'open' });
    await running.exec(['sh', '-c', `mkdir ${ENCLAVE}/.aws; echo secret >${ENCLAVE}/file`], { user: OPERATOR });
    await client.end();
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('is undone when its connection ends while the commit is on its way', async () => {
    using other = await Control.connect(running);
    using client = await Control.connect(running);
    await client.request({ op: 'open' });
    client.write('{"v":1,"op":"commit","baseline":');
    await client.end();
    expect(await other.request({ op: 'status' })).toMatchObject({ state: 'locked' });
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('is undone when the enclave has nothing to bridge', async () => {
    using client = await Control.connect(running);
    await client.request({ op: 'open' });
    await expect(client.request({ op: 'commit', baseline: '' })).rejects.toMatchObject({ code: 'cannot-mount' });
    expect(await client.request({ op: 'status' })).toMatchObject({ state: 'locked' });
    expect(await traces(pod, running)).toEqual(NOTHING);
  });

  test('is one client’s: a second one waits, and then finds it done', async () => {
    using first = await Control.connect(running);
    using second = await Control.connect(running);
    const { device } = await first.request({ op: 'open' });
    const waiting = second.request({ op: 'open' });
    await makeSource();
    await first.request({ op: 'commit', baseline: '' });
    expect(await waiting).toMatchObject({ device, cached: true });
    expect(await second.request({ op: 'commit', baseline: '' })).toMatchObject({ bridge: 'mount' });
  });

  test('that is undone lets the one that waited begin anew', async () => {
    using first = await Control.connect(running);
    using second = await Control.connect(running);
    await first.request({ op: 'open' });
    const waiting = second.request({ op: 'open' });
    await first.end();
    expect(await waiting).toMatchObject({ cached: false });
    await makeSource();
    await second.request({ op: 'commit', baseline: '' });
  });

  test('is not another client’s to commit', async () => {
    using first = await Control.connect(running);
    using second = await Control.connect(running);
    await first.request({ op: 'open' });
    await makeSource();
    await expect(second.request({ op: 'commit', baseline: '' })).rejects.toMatchObject({ code: 'usage' });
    expect(await first.request({ op: 'status' })).toMatchObject({ state: 'opening' });
  });

  test('cannot be begun twice on one connection', async () => {
    using client = await Control.connect(running);
    await client.request({ op: 'open' });
    await expect(client.request({ op: 'open' })).rejects.toMatchObject({ code: 'usage' });
  });

  test('is not lost to others by a second open, or by a save, on its own connection', async () => {
    using first = await Control.connect(running);
    using second = await Control.connect(running);
    await first.request({ op: 'open' });
    await expect(first.request({ op: 'open' })).rejects.toMatchObject({ code: 'usage' });
    await expect(first.request({ op: 'save' })).rejects.toMatchObject({ code: 'locked' });
    const waiting = second.request({ op: 'close' });
    await makeSource();
    expect(await first.request({ op: 'commit', baseline: '' })).toMatchObject({ ok: true });
    expect(await waiting).toMatchObject({ ok: true, unmounted: true });
  });

  test('that has to be waited for is waited for no longer by a client that left', async () => {
    using first = await Control.connect(running);
    using second = await Control.connect(running);
    using third = await Control.connect(running);
    await first.request({ op: 'open' });
    second.write('{"v":1,"op":"open"}\n');
    const waiting = third.request({ op: 'open' });
    await second.end();
    await first.end();
    expect(await waiting).toMatchObject({ cached: false });
  });
});

describe('a save', () => {
  test('is refused while the vault is locked', async () => {
    using client = await Control.connect(running);
    await expect(client.request({ op: 'save' })).rejects.toMatchObject({ code: 'locked' });
    await expect(client.request({ op: 'saved', baseline: 'x', bytes: 1 })).rejects.toMatchObject({ code: 'usage' });
    await expect(client.request({ op: 'unchanged' })).rejects.toMatchObject({ code: 'usage' });
  });

  test('has the turn until its connection ends, and what it noted is the next one’s to know', async () => {
    using first = await Control.connect(running);
    await first.request({ op: 'open' });
    await makeSource();
    await first.request({ op: 'commit', baseline: 'one' });
    expect(await first.request({ op: 'save' })).toMatchObject({ baseline: 'one' });

    using second = await Control.connect(running);
    await expect(second.request({ op: 'saved', baseline: 'stolen', bytes: 1 })).rejects.toMatchObject({
      code: 'usage',
    });
    const waiting = second.request({ op: 'save' });
    await first.request({ op: 'saved', baseline: 'two', bytes: 1 });
    await first.end();
    expect(await waiting).toMatchObject({ baseline: 'two' });
  });

  test('has leave to replace the vault while it has the turn, and nobody else has', async () => {
    using saver = await Control.connect(running);
    await saver.request({ op: 'open' });
    await makeSource();
    await saver.request({ op: 'commit', baseline: 'one' });
    await saver.request({ op: 'save' });
    expect(await saver.request({ op: 'replace', baseline: 'two' })).toMatchObject({ granted: true });
    using other = await Control.connect(running);
    for (const request of [{ op: 'replace' }, { op: 'rescued', path: '/copy' }] as const) {
      await expect(other.request(request)).rejects.toMatchObject({ code: 'usage' });
    }
    await saver.request({ op: 'close' });
    await expect(saver.request({ op: 'replace', baseline: 'two' })).rejects.toMatchObject({ code: 'locked' });
  });

  test('that leaves right after it was given leave may have replaced the vault: the next one is told', async () => {
    using first = await Control.connect(running);
    await first.request({ op: 'open' });
    await makeSource();
    await first.request({ op: 'commit', baseline: 'one' });
    expect(await first.request({ op: 'save' })).not.toHaveProperty('pending');
    await first.request({ op: 'replace', baseline: 'two' });
    await first.end();
    using second = await Control.connect(running);
    expect(await second.request({ op: 'save' })).toMatchObject({ baseline: 'one', pending: 'two' });
    await second.request({ op: 'saved', baseline: 'three', bytes: 1 });
    expect(await second.request({ op: 'save' })).toMatchObject({ baseline: 'three' });
    expect(await second.request({ op: 'save' })).not.toHaveProperty('pending');
  });

  test('finds the vault locked when a lock came before it', async () => {
    using first = await Control.connect(running);
    using second = await Control.connect(running);
    await first.request({ op: 'open' });
    await makeSource();
    await first.request({ op: 'commit', baseline: '' });
    await first.request({ op: 'save' });
    const answer = second.request({ op: 'save' }).catch((error: unknown) => error);
    expect(await first.request({ op: 'close' })).toEqual({ ok: true, unmounted: true, holders: [], ended: [] });
    await first.end();
    expect(await answer).toMatchObject({ code: 'locked' });
  });
});

describe('a line that is no request', () => {
  test.each([
    { name: 'not JSON', line: 'open sesame' },
    { name: 'not text', line: Buffer.from([0xff, 0x00, 0xfe]) },
    { name: 'empty', line: '' },
    { name: 'not an object', line: '["open"]' },
    { name: 'of another version', line: '{"v":2,"op":"open"}' },
    { name: 'of no version', line: '{"op":"open"}' },
    { name: 'of an unknown kind', line: '{"v":1,"op":"format"}' },
    { name: 'named like what every object has', line: '{"v":1,"op":"constructor"}' },
    { name: 'without what it needs', line: '{"v":1,"op":"commit"}' },
    {
      name: 'with too long a baseline',
      line: JSON.stringify({ v: 1, op: 'commit', baseline: 'x'.repeat(MAX_BASELINE_LENGTH + 1) }),
    },
  ])('$name is refused, and the connection is good for the next one', async ({ line }) => {
    using client = await Control.connect(running);
    client.write(line);
    client.write('\n');
    expect(await client.answer()).toMatchObject({ ok: false, code: 'usage' });
    expect(await client.request({ op: 'status' })).toMatchObject({ state: 'locked' });
  });

  test('and too long ends the connection, with or without an end of its own', async () => {
    for (const end of ['', '\n']) {
      using client = await Control.connect(running);
      client.write('x'.repeat(MAX_LINE_BYTES) + end);
      expect(JSON.parse(await client.ended())).toMatchObject({ ok: false, code: 'usage' });
    }
    using client = await Control.connect(running);
    expect(await client.request({ op: 'status' })).toMatchObject({ state: 'locked' });
  });

  test('undoes an unlock that the same connection had begun, if it is too long', async () => {
    using client = await Control.connect(running);
    await client.request({ op: 'open' });
    client.write('x'.repeat(MAX_LINE_BYTES));
    await client.ended();
    expect(await traces(pod, running)).toEqual(NOTHING);
  });
});

test('requests that come all at once are answered in their order', async () => {
  using client = await Control.connect(running);
  client.write('{"v":1,"op":"status"}\n{"v":1,"op":"save"}\n{"v":1,"op":"status"}\n');
  expect([await client.answer(), await client.answer(), await client.answer()]).toEqual([
    expect.objectContaining({ ok: true }),
    expect.objectContaining({ ok: false, code: 'locked' }),
    expect.objectContaining({ ok: true }),
  ]);
});

test('a client that asks and asks without waiting for answers is cut off', async () => {
  using client = await Control.connect(running);
  client.write('{"v":1,"op":"status"}\n'.repeat(1000));
  expect(await client.ended()).toContain('"code":"usage"');
});

test('a client that leaves before its answer takes nothing with it, the command least of all', async () => {
  using client = await Control.connect(running);
  running.signal('SIGSTOP');
  client.write('{"v":1,"op":"status"}\n');
  client[Symbol.dispose]();
  running.signal('SIGCONT');
  for (let count = 0; count < 20; count++) {
    using next = await Control.connect(running);
    expect(await next.request({ op: 'status' })).toMatchObject({ state: 'locked' });
  }
});

test('a client that reads none of its answers is cut off', async () => {
  const socket = connect(running.rootPath(CONTROL_SOCKET));
  await once(socket, 'connect');
  const errors: Error[] = [];
  socket.on('error', (error) => errors.push(error));
  using other = await Control.connect(running);
  while (!socket.destroyed) {
    socket.write('{"v":1,"op":"status"}\n'.repeat(8));
    await other.request({ op: 'status' });
  }
  expect(await other.request({ op: 'status' })).toMatchObject({ state: 'locked' });
  expect(errors).toHaveLength(1);
});

test('nobody but the operator and root may connect, nor put another socket in its place', async () => {
  expect(await running.exec(['stat', '-c', '%U %a', CONTROL_SOCKET, '/run/tazpod'])).toMatchObject({
    stdout: 'tazpod 600\nroot 755',
  });
  expect(await running.exec(['tazpod', 'status'], { user: OPERATOR })).toMatchObject({ code: 0 });
  expect(await running.exec(['tazpod', 'status'], { user: 0 })).toMatchObject({ code: 0 });
  const another = await running.exec(['tazpod', 'status'], { user: SOMEBODY_ELSE });
  expect(another).toMatchObject({ code: 17 });
  expect(another.stderr).toContain('permission denied');
  expect(await running.exec(['rm', CONTROL_SOCKET], { user: OPERATOR })).toMatchObject({ code: 1 });
  expect(await readdir(running.rootPath('/run/tazpod'))).toContain('control.sock');
});

test('clients that say nothing do not keep others from being served', async () => {
  const idle = await Promise.all(Array.from({ length: 32 }, () => Control.connect(running)));
  using client = await Control.connect(running);
  expect(await client.request({ op: 'status' })).toMatchObject({ state: 'locked' });
  for (const one of idle) await one.end();
});

test('a client for whom PID 1 has no descriptor is served when there is one', async () => {
  const limitTo = async (most: string) =>
    expect(await running.exec(['prlimit', '--pid', '1', `--nofile=${most}:`])).toMatchObject({ code: 0 });
  const { stdout } = await running.exec(['prlimit', '--pid', '1', '--nofile', '--noheadings', '--output=SOFT']);
  await limitTo('3');
  using client = await Control.connect(running);
  client.write(encodeRequest({ op: 'status' }));
  await running.stderr.waitFor('cannot serve the control socket');
  await limitTo(stdout.trim());
  expect(await client.answer()).toMatchObject({ ok: true, pid: 1 });
});
