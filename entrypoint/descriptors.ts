// Descriptors: which ones the runtime passed in for the command, and giving 0–2 to the operator.

import { fchownSync, fstatSync, readdirSync } from 'node:fs';

import { libc } from './native.ts';
import type { Operator } from './operator.ts';
import { isTerminal } from './terminal.ts';

const DESCRIPTORS = '/proc/self/fd/';
const EPOLL = 'anon_inode:[eventpoll]';
const OWN: ReadonlySet<string> = new Set([EPOLL, 'anon_inode:[eventfd]', 'anon_inode:[io_uring]']);
const path = Buffer.from(DESCRIPTORS.padEnd(32, '\0'));
/** No link that tells Node's own is longer. */
const link = Buffer.alloc(64);
const LINK_BYTES = BigInt(link.length);

/**
 * The descriptors that PID 1 was started with, 0–2 among them where they are open. To be called before PID 1 opens any
 * that stays. Node's own cannot be told from inherited ones by a flag (it marks all of them close-on-exec). But the first
 * that it opens is an epoll, and takes the lowest free number: all below were there. Above it, its own are told by what
 * they are: an event loop's epoll, eventfd and io_uring, and pipes of which it holds both ends.
 */
export function inheritedDescriptors(): number[] {
  const links = new Map<number, string>();
  for (const name of readdirSync(DESCRIPTORS)) {
    const target = readLink(name);
    // The descriptor that read the directory is gone by now.
    if (target !== undefined) links.set(Number(name), target);
  }
  const seen = new Map<string, number>();
  for (const target of links.values()) seen.set(target, (seen.get(target) ?? 0) + 1);

  const firstOwn = Math.min(...[...links].filter(([, target]) => target === EPOLL).map(([descriptor]) => descriptor));

  return [...links]
    .filter(([descriptor, target]) => {
      if (descriptor < firstOwn) return true;
      if (OWN.has(target)) return false;
      return !(target.startsWith('pipe:') && (seen.get(target) ?? 0) > 1);
    })
    .map(([descriptor]) => descriptor)
    .sort((a, b) => a - b);
}

/**
 * What the link of a descriptor says, or its beginning; undefined where there is none. Node's own function makes an error of that,
 * and of each path a string and bytes: here each line counts some twenty times, before the command.
 */
function readLink(name: string): string | undefined {
  path[DESCRIPTORS.length + path.write(name, DESCRIPTORS.length, 'latin1')] = 0;
  const length = libc.readlink(path, link, LINK_BYTES);
  return length === -1 ? undefined : link.toString('latin1', 0, length);
}

/**
 * Gives the terminal and pipes behind 0–2 to the operator, as login(1) does, so that /dev/stdout and `$(tty)` open for
 * it. Files and devices stay whose they are.
 */
export function giveStandardStreams(operator: Operator): void {
  for (const descriptor of [0, 1, 2]) {
    try {
      if (isTerminal(descriptor) || fstatSync(descriptor).isFIFO()) fchownSync(descriptor, operator.uid, operator.gid);
    } catch {
      // Closed, or on a file system that knows no owners: then it opens for the operator, or it never could.
    }
  }
}
