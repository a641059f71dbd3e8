// Files of the enclave that have no name any more: made without one (O_TMPFILE), or unlinked while somebody had them open. No
// walk finds them, but as long as a process holds one, its descriptors or mappings under /proc lead to it.
// What no process holds, a descriptor on its way through a socket, cannot be reached (shrink.ts tells how much that is).

import { closeSync, constants, fstatSync, ftruncateSync, openSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { withCapability } from './capabilities.ts';
import { descriptorsOf, mappingsOf, otherProcesses } from './holders.ts';
import { asOperator, type Operator } from './operator.ts';

const { O_NONBLOCK, O_WRONLY } = constants;
const O_PATH = 0o10000000;

/**
 * Cuts to nothing every file of a file system that a process we may look into has open or mapped.
 * @param emptied is called after each that held something
 */
export function emptyHeldFiles(device: number, operator: Operator, emptied: () => void = () => {}): void {
  emptyFilesOf(device, (work) => work(), emptied);
  // Mappings are opened with a capability of our own beside the operator's identity (proc_pid_map_files(5)).
  emptyFilesOf(device, (work) => asOperator(operator, () => withCapability('SYS_ADMIN', work)), emptied);
}

/**
 * With the identity that may look into a process a file is only found. It is emptied with our own: it may be one that the
 * process had no right to write to.
 */
function emptyFilesOf(device: number, withIdentity: <T>(work: () => T) => T, emptied: () => void): void {
  for (const pid of otherProcesses()) {
    const paths = withIdentity(() => [...descriptorsOf(pid), ...mappingsOf(pid, device)]);
    for (const path of paths) {
      const found = withIdentity(() => openQuietly(path, O_PATH));
      if (found === undefined) continue;
      try {
        if (empty(found, device)) emptied();
      } finally {
        closeSync(found);
      }
    }
  }
}

/** Whether there was something to empty. */
function empty(found: number, device: number): boolean {
  const stats = fstatSync(found);
  // Room can be set aside behind the end of a file (fallocate(2), FALLOC_FL_KEEP_SIZE): its size does not tell.
  if (stats.dev !== device || !stats.isFile() || (stats.size === 0 && stats.blocks === 0)) return false;
  const file = openQuietly(`/proc/self/fd/${found}`, O_WRONLY | O_NONBLOCK);
  if (file === undefined) return false;
  try {
    ftruncateSync(file, 0);
    return true;
  } finally {
    closeSync(file);
  }
}

/** Undefined for what is gone by now, or not ours to open. */
function openQuietly(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}
