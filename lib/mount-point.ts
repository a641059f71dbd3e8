// Whether a file is itself a mount point, as an engine makes it when a single file is mounted into a container. Such a file
// cannot be replaced by a rename (EBUSY), only written over in place, which a crash could leave half-done.

import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** @param path absolute, without symbolic links */
export function isMountPoint(path: string): boolean {
  if (statSync(path).dev !== statSync(dirname(path)).dev) return true;
  // A bind mount of a file has the device of the file system that it comes from, often the very same.
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1');
  const name = Buffer.from(path).toString('latin1');
  return mounts.split('\n').some((line) => unescapeMountPath(line.split(' ')[4] ?? '') === name);
}

/** proc(5): space, tab, newline and backslash stand as octal escapes. */
function unescapeMountPath(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCodePoint(Number.parseInt(octal, 8)));
}
