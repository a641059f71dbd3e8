import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';

import { decodeRequest, encodeReply, MAX_REPLY_BYTES, type Op, type Reply } from '../../../lib/protocol.ts';
import { Session } from './session.ts';
import { MAIN, QUIETLY, tazpod } from './tool.ts';

const SINCE = Date.UTC(2026, 10, 23, 12, 0, 0);

test('shows the state as lines and as JSON', async () => {
  await using session = await Session.begin();
  const locked = await session.tazpod(['status']);
  expect(locked.code).toBe(0);
  expect(locked.stdout).toMatch(/^state {6}locked since \d{4}-\d\d-\d\dT\S+Z \(.* ago\)\n/);
  await session.unlock();
  const { stdout } = await session.tazpod(['status', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, state: 'unlocked', init: { pid: 1 } });
});

test('--unlocked gives 18 when it is locked, and 0 when it is not', async () => {
  await using session = await Session.begin();
  expect((await session.tazpod(['status', '--unlocked'])).code).toBe(18);
  await session.unlock();
  expect((await session.tazpod(['status', '--unlocked'])).code).toBe(0);
});

test('without a PID 1 that listens: 17, and the hint says what to do', async () => {
  const { status, stderr } = await tazpod(['status'], { env: { TAZPOD_USER: 'nobody' } });
  expect(status).toBe(17);
  expect(stderr).toMatch(/cannot reach PID 1 at \/run\/tazpod\/control\.sock: there is no such socket\n {2}hint: /);
});

test('called by another user than the operator: 17', async () => {
  await using session = await Session.begin();
  const { code, stderr } = await session.tazpod(['status'], { user: 65_534 });
  expect(code).toBe(17);
  expect(stderr).toContain('permission denied');
});

const ANSWER: Reply<'status'> = {
  ok: true,
  state: 'closing',
  since: SINCE,
  pid: 1,
  version: '9.9.9',
  started: SINCE,
  autosave: 'idle',
  stopSignals: ['TERM'],
};

describe('over an inherited connection, as a worker of PID 1', () => {
  /** Runs `tazpod` with a connection at descriptor 3, on which `replies` are what PID 1 says. */
  async function worker(
    words: readonly string[],
    replies: Partial<Record<Op, Reply | string>>,
    environment: Readonly<Record<string, string>> = {},
  ) {
    const child = spawn(process.execPath, [QUIETLY, MAIN, ...words, '--control-fd', '3'], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // Without a controlling terminal, whatever the tests have.
      detached: true,
      env: { PATH: process.env['PATH'], TAZPOD_USER: 'nobody', ...environment },
    });
    const connection = child.stdio[3] as Duplex;
    connection.on('data', (chunk: Buffer) => {
      const { op } = decodeRequest(chunk.toString().trimEnd());
      const reply = replies[op];
      if (reply === undefined) connection.destroy();
      else connection.write(typeof reply === 'string' ? reply : encodeReply(reply));
    });
    connection.on('error', () => undefined);
    const [stdout, stderr, [status]] = await Promise.all([
      wholeOf(child.stdout),
      wholeOf(child.stderr),
      once(child, 'close') as Promise<[number]>,
    ]);
    return { status, stdout, stderr };
  }

  test('it asks and shows the answer', async () => {
    const { status, stdout } = await worker(['status'], { status: ANSWER });
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^state {6}closing since 2026-11-23T12:00:00Z \(.*\)\n[^]*\ninit {7}pid 1, version 9\.9\.9, /,
    );
  });

  test('with --quiet it shows nothing, and exits as without', async () => {
    const quiet = await worker(['status', '--quiet'], { status: ANSWER });
    expect(quiet).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await worker(['status', '--quiet', '--unlocked'], { status: ANSWER })).toEqual({ ...quiet, status: 18 });
    expect(await worker(['status', '--quiet'], {})).toMatchObject({
      status: 17,
      stdout: '',
      stderr: expect.stringContaining('cannot reach PID 1'),
    });
  });

  test.for([
    ['hangs up', undefined, 'ended the connection'],
    ['talks nonsense', 'hello\n', 'cannot understand what PID 1 answered'],
    ['never ends a line', 'x'.repeat(MAX_REPLY_BYTES + 1), 'something else than replies'],
  ] as const)('a PID 1 that %s: an error, not a hang', async ([, reply, says]) => {
    const { status, stderr } = await worker(['status'], reply === undefined ? {} : { status: reply });
    expect(stderr).toContain(says);
    expect(status).not.toBe(0);
  });

  test('its refusal is shown with its hint, and gives its status', async () => {
    const { status, stderr } = await worker(['save'], {
      save: { ok: false, code: 'cannot-mount', message: 'cannot do it', hint: 'add the capability' },
    });
    expect({ status, stderr }).toEqual({ status: 16, stderr: 'tazpod: cannot do it\n  hint: add the capability\n' });
  });

  test('a passphrase in the environment is not for it: it was told to ask', async () => {
    const open: Reply<'open'> = { ok: true, device: 0, size: 0, cached: false };
    const { status, stderr } = await worker(['unlock'], { open }, { TAZPOD_PASSPHRASE: 'x' });
    expect(status).toBe(11);
    expect(stderr).toContain('there is no terminal');
  });

  test('who holds the enclave after a lock is named, with nothing that a terminal would obey', async () => {
    const { status, stderr } = await worker(['lock', '--discard'], {
      locking: { ok: true, failedHooks: [] },
      save: { ok: true, device: 0, baseline: '' },
      close: { ok: true, unmounted: true, holders: [{ pid: 7, command: 'vi\u001b[31m\u202e x' }], ended: [] },
    });
    expect(status).toBe(0);
    expect(stderr).toContain('process 7 (vi?[31m? x) still holds the enclave');
  });
});

async function wholeOf(stream: Readable | null): Promise<string> {
  return stream ? await text(stream) : '';
}
