// Descriptors: which ones the runtime passed in for the command, and giving 0–2 to the operator.

import { fchownSync, fstatSync, readdirSync, readlinkSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import type { Operator } from './operator.ts';
import { isTerminal } from './terminal.ts';

const EPOLL = 'anon_inode:[eventpoll]';

/**
 * The descriptors that PID 1 was started with, 0–2 among them where they are open. To be called before PID 1 opens any
 * that stays. Node's own cannot be told from inherited ones by a flag (it marks all of them close-on-exec). But the first
 * that it opens is an epoll, and takes the lowest free number: all below were there. Above it, its own are told by what
 * they are: an event loop's epoll, eventfd and io_uring, and pipes of which it holds both ends.
 */
export function inheritedDescriptors(): number[] {
  const links = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      links.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch (error) {
      // The descriptor that read the directory is gone by now.
      if (errnoName(error) !== 'ENOENT') throw error;
    }
  }
  const seen = new Map<string, number>();
  for (const link of links.values()) seen.set(link, (seen.get(link) ?? 0) + 1);

  const firstOwn = Math.min(...[...links].filter(([, link]) => link === EPOLL).map(([descriptor]) => descriptor));

  return [...links]
    .filter(([descriptor, link]) => {
      if (descriptor < firstOwn) return true;
      if (/^anon_inode:\[(?:eventpoll|eventfd|io_uring)\]$/.test(link)) return false;
      return !(link.startsWith('pipe:') && (seen.get(link) ?? 0) > 1);
    })
    .map(([descriptor]) => descriptor)
    .sort((a, b) => a - b);
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
