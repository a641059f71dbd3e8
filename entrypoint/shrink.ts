// Leaving no room in a wiped enclave, so that nobody who still has it open can put anything into it any more. tmpfs(5) takes a
// smaller size and fewer inodes while it is mounted, down to what is in use; the last page, which it leaves, we fill ourselves.
// (It cannot be made read-only: the kernel refuses that while a single file is open for writing.)

import { closeSync, constants, openSync, statfsSync, writeSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import type { Directory } from './directory.ts';
import { reconfigure } from './mount.ts';

/** How often pages that somebody writes between two looks are gone after: what is won of them in one stays won. */
const PASSES = 64;
const PLUG_NAME = '.locked';

/**
 * Makes a file system that has been wiped, and whose root directory is not the operator's any more, full for good.
 * @param emptyHeld empties what is still in files without names, and calls back after each
 * @returns bytes that are left in files that nobody reaches but who holds them; 0 as a rule
 * @throws SystemCallError where the kernel does not let us
 */
export function leaveNoRoom(root: Directory, emptyHeld: (emptied: () => void) => void): number {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  const plug = openSync(root.path(PLUG_NAME), O_CREAT | O_EXCL | O_WRONLY, 0);
  try {
    const { pageSize } = used(root);
    let ours = 0;
    let isSmall = false;
    // Once it is small, the room of each file is ours before whoever goes on writing has it back.
    const takeRoom = (): void => {
      if (isSmall) ours += fill(plug, pageSize);
    };
    for (let pass = 0; ; pass++) {
      if (used(root).pages > ours) emptyHeld(takeRoom);
      isSmall = shrink(root) || isSmall;
      takeRoom();
      const left = used(root).pages - ours;
      if (left <= 0 || pass === PASSES) return left * pageSize;
    }
  } finally {
    closeSync(plug);
  }
}

interface Use {
  readonly pages: number;
  readonly pageSize: number;
  readonly inodes: number;
}

function used(root: Directory): Use {
  const { bsize, blocks, bfree, files, ffree } = statfsSync(root.path());
  return { pages: blocks - bfree, pageSize: bsize, inodes: files - ffree };
}

/** Makes what is in use all that there is; false where something was added between the look and the call. */
function shrink(root: Directory): boolean {
  const { pages, pageSize, inodes } = used(root);
  try {
    // A size of 0 would mean: without limit.
    reconfigure(root, { size: String(Math.max(1, pages) * pageSize), nr_inodes: String(inodes) });
    return true;
  } catch (error) {
    if (errnoName(error) !== 'EINVAL') throw error;
    return false;
  }
}

/** Takes what is left, page by page; answers how many pages that was. */
function fill(plug: number, pageSize: number): number {
  const page = Buffer.alloc(pageSize);
  for (let pages = 0; ; pages++) {
    try {
      writeSync(plug, page);
    } catch (error) {
      if (errnoName(error) !== 'ENOSPC') throw error;
      return pages;
    }
  }
}
