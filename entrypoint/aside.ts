// What stood at the AWS bridge's target, where it had to make room: it waits under another name, and comes back at the lock, or at the
// next boot.

import { lstatSync, readlinkSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { AWS_NAME, HOME } from '../lib/paths.ts';
import { Directory } from './directory.ts';
import { asOperator, type Operator } from './operator.ts';

/** Where what stood at the target waits: a name beside it, so that it is one rename away. */
export const ASIDE_NAME = '.aws.tazpod-aside';
/** What a bridge says that is a link. */
export const LINK_TARGET = 'secrets/.aws';

/**
 * Puts back what was put aside, by us or by a session that was killed: the link that we made in its place goes, and so
 * does the empty directory that we mounted on.
 */
export function restoreAside(operator: Operator): void {
  try {
    using home = Directory.open(HOME);
    asOperator(operator, () => {
      const target = home.path(AWS_NAME);
      if (readLink(target) === LINK_TARGET) unlinkSync(target);
      if (!exists(home.path(ASIDE_NAME))) return;
      if (exists(target)) rmdirSync(target);
      renameSync(home.path(ASIDE_NAME), target);
    });
  } catch (error) {
    // The operator put something of its own there meanwhile (ENOTEMPTY, ENOTDIR), or the home is not writable: both stay.
    if (errnoName(error) === undefined) throw error;
  }
}

/** What a link says; undefined where there is none. */
export function readLink(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
}

export function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
