// What mountinfo says of this very machine, and how st_dev is written there.

import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { expect, test } from 'vitest';

import { deviceName, readMounts } from '../../../entrypoint/mountinfo.ts';

test('mounts are those that findmnt sees, in its order', () => {
  const { filesystems } = JSON.parse(
    execFileSync('findmnt', ['--json', '--list', '--kernel', '--output', 'TARGET,FSTYPE,MAJ:MIN'], {
      encoding: 'utf8',
    }),
  ) as { filesystems: { target: string; fstype: string; 'maj:min': string }[] };
  const seen = readMounts().map(({ point, fileSystem, device }) => `${point.toString()} ${fileSystem} ${device}`);
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
