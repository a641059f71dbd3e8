// Where an encrypted copy goes when the last save fails, and what a person is told of it. A worker writes it: into the
// operator's directory of TAZPOD_RESCUE_DIR, which only the operator's identity ever opens, else into our own, which is
// made while the vault is unlocked: at the end PID 1 touches no disk before it has wiped.

import { chmodSync, chownSync, mkdirSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { RESCUE_DIRECTORY } from '../lib/paths.ts';
import { containerId } from './container-id.ts';
import { Directory } from './directory.ts';
import { mountOf, type Mount } from './mountinfo.ts';
import type { Operator } from './operator.ts';
import { printable } from './printable.ts';

/**
 * Makes our own rescue directory, which is the operator's, in directories that are root's. Where it cannot be made (no
 * root, a read-only root file system) the rescue itself says so, when it comes to that.
 */
export function prepareRescueDirectory(operator: Operator): void {
  if (process.getuid?.() !== 0) return;
  let parent: Directory | undefined;
  try {
    parent = Directory.open('/');
    const names = RESCUE_DIRECTORY.slice(1).split('/');
    for (const [index, name] of names.entries()) {
      const isOperators = index === names.length - 1;
      // In a directory of somebody else's a name may be another's choice.
      if (parent.stat().uid !== 0) return;
      const child = makeDirectory(parent, name, isOperators ? operator : undefined);
      parent.close();
      parent = child;
    }
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
  } finally {
    parent?.close();
  }
}

function makeDirectory(parent: Directory, name: string, owner: Operator | undefined): Directory {
  let isNew = true;
  try {
    mkdirSync(parent.path(name), { mode: 0o700 });
  } catch (error) {
    if (errnoName(error) !== 'EEXIST') throw error;
    isNew = false;
  }
  // It may be a volume.
  const child = parent.openMounted(name);
  try {
    if (isNew && owner === undefined) chmodSync(child.path(), 0o755);
    if (owner !== undefined && child.stat().uid === 0) {
      chmodSync(child.path(), 0o700);
      chownSync(child.path(), owner.uid, owner.gid);
    }
    return child;
  } catch (error) {
    child.close();
    throw error;
  }
}

/** Where a copy may go, in the order of preference: what is in RAM comes last, for it may end with the container. */
export function rescueDirectories(configured: string | undefined): string[] {
  const directories = configured === undefined ? [RESCUE_DIRECTORY] : [configured, RESCUE_DIRECTORY];
  const inRam = directories.map((directory) => isRam(mountOf(directory)));
  return [...directories.filter((_, index) => !inRam[index]), ...directories.filter((_, index) => inRam[index])];
}

/** How to get at a copy, and how long it will be there. */
export function adviceOn(path: string): string {
  const mount = mountOf(path);
  const whole = `fetch it with: docker cp ${containerId()}:${shellWord(path)} .`;
  const opened = '"tazpod vault list" and "tazpod vault extract" open it with the vault\'s passphrase';
  return `${whole} (${lifetime(mount)}); ${opened}`;
}

function lifetime(mount: Mount | undefined): string {
  if (isRam(mount)) return 'it is in RAM, and goes when the container ends, unless the host mounted that';
  if (mount === undefined || mount.point.equals(Buffer.from('/')))
    return 'it is in the container’s own layer, and goes when the container is removed: at once with docker run --rm';
  return `it is on a mount of its own, ${printable(mount.point.toString())}, and stays when the container is removed`;
}

function isRam(mount: Mount | undefined): boolean {
  return mount?.fileSystem === 'tmpfs' || mount?.fileSystem === 'ramfs';
}

function shellWord(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${printable(path).replaceAll("'", "'\\''")}'`;
}
