// Who still holds the enclave: processes with an open file, a directory or a mapping in it, or with its mount in a
// namespace of their own. Looked up with the operator's identity, for root without SYS_PTRACE may not look into the
// operator's processes (ptrace(2)), and the operator's are those that can hold it.

import { readdirSync, readFileSync, statSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import type { Holder } from '../lib/protocol.ts';
import { deviceName, readMounts } from './mountinfo.ts';
import { asOperator, type Operator } from './operator.ts';

/** All processes that we see, but ourselves. */
export function otherProcesses(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}

/** The processes that hold a file system in use: through descriptors, directories or mappings. */
export function holdersOf(device: number, operator: Operator): Holder[] {
  return asOperator(operator, () =>
    otherProcesses()
      .filter((pid) => isOpenIn(pid, device))
      .map(describe),
  );
}

/** The processes in whose mount namespace the device is still mounted. */
export function namespacesWith(device: number): Holder[] {
  const name = deviceName(device);
  const sees = (pid: number): boolean => gone(() => readMounts(pid).some((mount) => mount.device === name)) ?? false;
  return otherProcesses().filter(sees).map(describe);
}

function isOpenIn(pid: number, device: number): boolean {
  const isThere = (path: string): boolean => gone(() => statSync(path).dev === device) ?? false;
  if (isThere(`/proc/${pid}/cwd`) || isThere(`/proc/${pid}/root`)) return true;
  const descriptors = gone(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  if (descriptors.some((descriptor) => isThere(`/proc/${pid}/fd/${descriptor}`))) return true;
  // The fourth field of a line of maps is the device, in hexadecimal (proc_pid_maps(5)).
  const [major, minor] = deviceName(device)
    .split(':')
    .map((part) => Number(part).toString(16).padStart(2, '0'));
  return gone(() => readFileSync(`/proc/${pid}/maps`, 'latin1'))?.includes(` ${major}:${minor} `) ?? false;
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
