// PID 1 as far as the tool sees it: lib/protocol on a real socket, a real tmpfs. Run as the init of a sandbox; prints
// "listening". It knows nothing of vaults, and checks nothing: that the tool can stand a PID 1 that is wrong is tested, too.
// ENCLAVE_SIZE: what it mounts; ENCLAVE_KIND=disk: a directory on disk instead; WRONG_DEVICE: it names another device;
// HANGS_UP=OP: ends the connection instead of answering.

import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';

import { TazpodError } from '../../../lib/errors.ts';
import { CONTROL_SOCKET, ENCLAVE } from '../../../lib/paths.ts';
import {
  decodeRequest,
  encodeReply,
  LineReader,
  refuse,
  type Replies,
  type Reply,
  type Request,
} from '../../../lib/protocol.ts';

const OPERATOR = 1000;
const { ENCLAVE_SIZE = '8m', ENCLAVE_KIND = 'ram', WRONG_DEVICE, HANGS_UP } = process.env;

let baseline: string | undefined;
let opening: Socket | undefined;
let saver: Socket | undefined;
const waiting: (readonly [Socket, () => void])[] = [];
let since = Date.now();
const started = since;
const MOUNT = { ours: true, bridge: 'mount' } as const;

function mount(): void {
  mkdirSync(ENCLAVE, { recursive: true });
  const command =
    ENCLAVE_KIND === 'disk'
      ? ['--bind', '/var/tmp', ENCLAVE]
      : ['-t', 'tmpfs', '-o', `size=${ENCLAVE_SIZE},mode=0700,uid=${OPERATOR},gid=${OPERATOR}`, 'tmpfs', ENCLAVE];
  execFileSync('mount', command);
}

function unmount(): void {
  execFileSync('umount', [ENCLAVE]);
  baseline = undefined;
  since = Date.now();
}

/** Gives the saver's lock to this connection, when its turn has come. */
async function turnOf(socket: Socket): Promise<void> {
  if (saver && saver !== socket) await new Promise<void>((wake) => waiting.push([socket, wake]));
  saver = socket;
}

async function perform(socket: Socket, request: Request): Promise<Replies[keyof Replies]> {
  switch (request.op) {
    case 'status':
      return {
        state: baseline === undefined ? 'locked' : 'unlocked',
        since,
        pid: process.pid,
        version: 'test',
        started,
        autosave: 'off',
        stopSignals: ['TERM'],
        ...(baseline === undefined ? {} : { enclave: { ...MOUNT, device: statSync(ENCLAVE).dev, baseline } }),
      };
    case 'open': {
      const cached = baseline !== undefined;
      if (!cached) {
        mount();
        opening = socket;
      }
      return { device: statSync(ENCLAVE).dev + (WRONG_DEVICE ? 1 : 0), size: 0, cached };
    }
    case 'commit':
      baseline ??= request.baseline;
      opening = undefined;
      since = Date.now();
      return { bridge: 'mount', covers: false };
    case 'locking':
      return { failedHooks: [] };
    case 'save':
      await turnOf(socket);
      if (baseline === undefined) throw new TazpodError('locked', 'cannot save: the vault is locked');
      return { device: statSync(ENCLAVE).dev, baseline };
    case 'unchanged':
      return { safe: Date.now() };
    case 'replace':
      return { granted: true };
    case 'rescued':
      return { path: request.path };
    case 'saved':
      baseline = request.baseline;
      return { baseline };
    case 'close':
      unmount();
      return { unmounted: true, holders: [], ended: [] };
  }
}

function leave(socket: Socket): void {
  if (opening === socket) {
    opening = undefined;
    // The tool may still be ending, with its working directory in the enclave.
    execFileSync('umount', ['--lazy', ENCLAVE]);
  }
  if (saver !== socket) return;
  const [next, wake] = waiting.shift() ?? [];
  saver = next;
  wake?.();
}

async function answer(socket: Socket, line: string): Promise<void> {
  const request = decodeRequest(line);
  if (request.op === HANGS_UP) {
    socket.destroy();
    return;
  }
  const reply: Reply = await perform(socket, request).then(
    (fields): Reply => ({ ok: true, ...fields }),
    (error: unknown) => refuse(error),
  );
  if (!socket.destroyed) socket.write(encodeReply(reply));
}

const server = createServer((socket) => {
  const reader = new LineReader();
  socket.on('data', (chunk: Buffer) => {
    for (const line of reader.push(chunk)) void answer(socket, line);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => leave(socket));
});

server.listen(CONTROL_SOCKET, () => {
  chmodSync(CONTROL_SOCKET, 0o600);
  chownSync(CONTROL_SOCKET, OPERATOR, OPERATOR);
  process.stdout.write('listening\n');
});
process.on('SIGTERM', () => process.exit(0));
