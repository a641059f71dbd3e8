// What mountinfo says of this very machine, and how st_dev is written there.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { expect, test } from 'vitest';

import { deviceName, readMounts } from '../../../entrypoint/mountinfo.ts';

/** A process in a mount namespace of its own. */
class Unshared implements AsyncDisposable {
  readonly #process = spawn('unshare', ['-Urm', '--propagation', 'private', 'sh', '-c', 'echo; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  readonly pid: Promise<number> = once(this.#process.stdout, 'data').then(() => this.#process.pid ?? 0);

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'close');
    this.#process.stdin.end();
    await ended;
  }
}

test('mounts are those that findmnt sees, in its order', async () => {
  // A mount namespace of its own: the machine's mounts may change between two looks.
  await using process = new Unshared();
  const pid = await process.pid;
  const { filesystems } = JSON.parse(
    execFileSync('findmnt', ['--json', '--list', '--task', String(pid), '--output', 'TARGET,FSTYPE,MAJ:MIN'], {
      encoding: 'utf8',
    }),
  ) as { filesystems: { target: string; fstype: string; 'maj:min': string }[] };
  const seen = readMounts(pid).map(({ point, fileSystem, device }) => `${point.toString()} ${fileSystem} ${device}`);
  expect(seen).toEqual(filesystems.map((mount) => `${mount.target} ${mount.fstype} ${mount['maj:min']}`));
});

test('a device is named as mountinfo names it', () => {
  const proc = readMounts().findLast(({ point }) => point.toString() === '/proc');
  expect(deviceName(statSync('/proc').dev)).toBe(proc?.device);
});

// makedev(3): the low 8 bits of the minor, 12 of the major, then the rest of both.
test.each<[bigint, string]>([
  [0x801n, '8:1'],
  [0x1234n, '18:52'],
  [0x100000n, '0:256'],
  [0xfffffn, '4095:255'],
  [0xffffffffn, '4095:1048575'],
])('%#x is %s', (device, name) => {
  expect(deviceName(Number(device))).toBe(name);
});
