// Who holds the enclave: processes with an open file, a directory or a mapping in it, or with its mount in a namespace of
// their own. Looked up as root and with the operator's identity: root without SYS_PTRACE may not look into the operator's
// processes, nor the operator into root's, such as a shell of `docker exec` (ptrace(2), "access mode checking").

import { readdirSync, readFileSync, statSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import type { Holder } from '../lib/protocol.ts';
import { deviceName, readMounts } from './mountinfo.ts';
import { asOperator, type Operator } from './operator.ts';

/** All processes that we see, but ourselves. */
export function otherProcesses(): number[] {
  // What is no process has a name that is no number, and NaN is greater than nothing.
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid);
}

/** The processes that hold a file system in use: through descriptors, directories, mappings, or mounts that are not ours. */
export function holdersOf(device: number, operator: Operator): Holder[] {
  const pids = new Set<number>();
  const look = (): void => {
    for (const pid of otherProcesses()) if (!pids.has(pid) && isOpenIn(pid, device)) pids.add(pid);
  };
  look();
  asOperator(operator, look);
  for (const pid of withMountsOfTheirOwn(device)) pids.add(pid);
  return [...pids].sort((a, b) => a - b).map(describe);
}

/** The processes in whose mount namespace, which is not ours, the device is mounted. */
function withMountsOfTheirOwn(device: number): number[] {
  const name = deviceName(device);
  const ours = new Set(readMounts().map(({ id }) => id));
  const isElsewhere = (pid: number): boolean =>
    gone(() => readMounts(pid).some((mount) => mount.device === name && !ours.has(mount.id))) ?? false;
  return otherProcesses().filter(isElsewhere);
}

function isOpenIn(pid: number, device: number): boolean {
  const isThere = (path: string): boolean => gone(() => statSync(path).dev === device) ?? false;
  if (isThere(`/proc/${pid}/cwd`) || isThere(`/proc/${pid}/root`)) return true;
  return descriptorsOf(pid).some(isThere) || mappingsOf(pid, device).length > 0;
}

/** The paths of what a process has open. */
export function descriptorsOf(pid: number): string[] {
  return (gone(() => readdirSync(`/proc/${pid}/fd`)) ?? []).map((descriptor) => `/proc/${pid}/fd/${descriptor}`);
}

/** The paths of what a process has mapped of a file system (proc_pid_maps(5), proc_pid_map_files(5)). */
export function mappingsOf(pid: number, device: number): string[] {
  // The fourth field of a line is the device, in hexadecimal; the first, the addresses, has no leading zeros in map_files.
  const [major, minor] = deviceName(device)
    .split(':')
    .map((part) => Number(part).toString(16).padStart(2, '0'));
  const lines = gone(() => readFileSync(`/proc/${pid}/maps`, 'latin1'))?.split('\n') ?? [];
  return lines
    .filter((line) => line.split(' ', 4)[3] === `${major}:${minor}`)
    .map((line) => `/proc/${pid}/map_files/${line.slice(0, line.indexOf(' ')).replaceAll(/\b0+(?=[0-9a-f])/g, '')}`);
}

function describe(pid: number): Holder {
  const words = gone(() => readFileSync(`/proc/${pid}/cmdline`)) ?? Buffer.alloc(0);
  const command = words
    .subarray(0, 80)
    .toString('latin1')
    .replaceAll('\0', ' ')
    .replaceAll(/[^ -~]/g, '?')
    .trim();
  return { pid, command: command || (gone(() => readFileSync(`/proc/${pid}/comm`, 'latin1'))?.trim() ?? '?') };
}

/** What a process that ended, or that is not ours to look into, cannot answer. */
function gone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}
