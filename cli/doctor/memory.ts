// The memory that the enclave is made of: whether it can be swapped to disk, and whether the container has enough of it.

import { ENCLAVE } from '../../lib/paths.ts';
import { sizeOption } from '../size.ts';
import { enclaveSize } from './enclave.ts';
import { flags, ok, shown, warning, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

/** Linux that knows tmpfs's `noswap`, tmpfs(5). */
const NOSWAP_SINCE = [6, 4] as const;
/** PID 1 and a worker beside what they work on: each has some 60 MB of its own. */
const BESIDE = 128 * 2 ** 20;
/** An unlock or a save holds the vault twice, packed and unpacked, beside the enclave itself. */
const COPIES = 3;

const NO_SWAP = flags(
  '--memory 2g --memory-swap 2g (equal: no swap)',
  'mem_limit: 2g, memswap_limit: 2g (equal: no swap)',
);

export function checkSwap(machine: Machine): Finding {
  const { files } = machine;
  const release = files.text('/proc/sys/kernel/osrelease')?.trimEnd() ?? '';
  const isOn = (files.text('/proc/swaps') ?? '').trimEnd().includes('\n');
  const mount = machine.mountAt(ENCLAVE);
  if (mount?.options.has('noswap')) return ok('the enclave is never swapped to disk (noswap)');
  if (!isOn) return ok('swap is off: the enclave stays in RAM');
  if (isWithoutSwap(machine)) return ok('swap is on, but not for this container: the enclave stays in RAM');
  if (mount !== undefined) {
    return warning('the enclave may be swapped to disk: it is mounted without noswap, and swap is on', ...NO_SWAP);
  }
  if (!knowsNoswap(release)) {
    return warning(
      `the enclave may be swapped to disk: Linux ${shown(release)} cannot forbid it (noswap came with 6.4), and swap is on`,
      ...NO_SWAP,
      'on the host: swapoff -a',
    );
  }
  if (isUserNamespace(machine)) {
    return warning(
      'the enclave may be swapped to disk: noswap is forbidden in a user namespace (rootless engines), and swap is on',
      ...NO_SWAP,
    );
  }
  return ok(`swap is on; Linux ${shown(release)} keeps the enclave out of it (noswap)`);
}

function knowsNoswap(release: string): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release)?.map(Number) ?? [];
  if (major === undefined || minor === undefined) return false;
  return major > NOSWAP_SINCE[0] || (major === NOSWAP_SINCE[0] && minor >= NOSWAP_SINCE[1]);
}

/** user_namespaces(7): the first namespace maps all ids to themselves. */
function isUserNamespace({ files }: Machine): boolean {
  const map = files.text('/proc/self/uid_map')?.trim().split(/\s+/);
  return map !== undefined && map.join(' ') !== '0 0 4294967295';
}

export function checkMemory(machine: Machine): Finding {
  const size = enclaveSize(machine);
  const limit = limitOf(machine, 'memory.max', 'memory/memory.limit_in_bytes');
  if (limit === undefined) return ok('the container has no memory limit of its own');
  const wanted = COPIES * size + BESIDE;
  if (limit >= wanted) return ok(`memory limit ${sizeOption(limit)}, enclave ${sizeOption(size)}`);
  const megabytes = Math.ceil(wanted / 2 ** 20);
  return warning(
    `memory limit ${sizeOption(limit)}, enclave ${sizeOption(size)}, which counts against it: a full one gets processes killed`,
    ...flags(
      `--memory ${megabytes}m (or more, for what else runs)`,
      `mem_limit: ${megabytes}m (or more, for what else runs)`,
    ),
  );
}

/** The container's own swap is limited to nothing: cgroups(7), version 2 or 1. */
function isWithoutSwap(machine: Machine): boolean {
  if (machine.files.text('/sys/fs/cgroup/memory.swap.max')?.trim() === '0') return true;
  const both = limitOf(machine, undefined, 'memory/memory.memsw.limit_in_bytes');
  return both !== undefined && both === limitOf(machine, undefined, 'memory/memory.limit_in_bytes');
}

/** Bytes; nothing where there is no limit (version 1 writes a number beyond all memory). */
function limitOf({ files }: Machine, second: string | undefined, first: string): number | undefined {
  const text = (second && files.text(`/sys/fs/cgroup/${second}`)) ?? files.text(`/sys/fs/cgroup/${first}`);
  const limit = /^\d+$/.test(text?.trim() ?? '') ? Number(text) : undefined;
  return limit !== undefined && limit < 2 ** 60 ? limit : undefined;
}
