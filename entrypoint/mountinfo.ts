// /proc/PID/mountinfo (proc_pid_mountinfo(5)): which mounts a process sees. Paths are bytes.

import { readFileSync } from 'node:fs';

export interface Mount {
  /** Of this mount alone: a copy of it in another namespace has another one. */
  readonly id: string;
  /** `major:minor` of the file system's device. */
  readonly device: string;
  /** What of the file system is shown: `/`, or for a bind mount the path in it. */
  readonly root: Buffer;
  /** Where: a path in the process's root. */
  readonly point: Buffer;
  readonly fileSystem: string;
  /** The file system's own options, such as `size=65536k`. */
  readonly options: readonly string[];
}

/** The mounts that a process sees, in the order they were made at a path. */
export function readMounts(pid: number | 'self' = 'self'): Mount[] {
  // Latin-1 keeps the bytes apart; kernel and file names know no encoding.
  return readFileSync(`/proc/${pid}/mountinfo`, 'latin1').split('\n').flatMap(parseLine);
}

/**
 * What is mounted at a path, the uppermost last.
 * @param path of letters, digits, dots, hyphens and slashes: what the kernel would not escape
 */
export function mountsAt(path: string): Mount[] {
  // The boot asks this again and again: only the lines that may be meant are taken apart.
  const lines = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  const mounts = lines.filter((line) => line.includes(` ${path} `)).flatMap(parseLine);
  return mounts.filter(({ point }) => point.equals(Buffer.from(path)));
}

/** What is mounted at the path, or above it: the uppermost. */
export function mountOf(path: string): Mount | undefined {
  const bytes = Buffer.from(path.endsWith('/') ? path : `${path}/`);
  let best: Mount | undefined;
  for (const mount of readMounts()) {
    const isRoot = mount.point.equals(Buffer.from('/'));
    const prefix = isRoot ? mount.point : Buffer.concat([mount.point, Buffer.from('/')]);
    if (!bytes.subarray(0, prefix.length).equals(prefix)) continue;
    if (best === undefined || mount.point.length >= best.point.length) best = mount;
  }
  return best;
}

function parseLine(line: string): Mount[] {
  const fields = line.split(' ');
  const [id, , device, root, point] = fields;
  // Optional fields end with a lone hyphen; type, source and the file system's options follow it.
  const [fileSystem, , options = ''] = fields.slice(fields.indexOf('-', 6) + 1);
  if (id === undefined || device === undefined || root === undefined || point === undefined) return [];
  if (fileSystem === undefined) return [];
  return [{ id, device, root: unescape(root), point: unescape(point), fileSystem, options: options.split(',') }];
}

/** The kernel writes space, tab, newline and backslash as a backslash and three octal digits. */
function unescape(text: string): Buffer {
  // Hardly any path has one: this runs for every mount before the command does.
  if (!text.includes('\\')) return Buffer.from(text, 'latin1');
  return Buffer.from(
    text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    'latin1',
  );
}

/** `st_dev` as mountinfo writes it (makedev(3): 12 bits of major, 20 of minor, interleaved). */
export function deviceName(device: number): string {
  const number = BigInt(device);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
