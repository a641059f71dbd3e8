// The identity directories: tool state that outlives the container, under /workspace/.tazpod, and the home's links to
// them. Made with the operator's identity, idempotent; what is inside is never touched.

import { lstatSync, mkdirSync, symlinkSync } from 'node:fs';

import { errnoName, reasonOf } from '../lib/errors.ts';
import { AWS_NAME, IDENTITY_DIRECTORY, IDENTITY_NAMES } from '../lib/paths.ts';
import type { Log } from './log.ts';
import { asOperator, type Operator } from './operator.ts';

const MODE = 0o755;

/** Makes what is missing. A workspace that is missing or read-only is a warning: the command runs all the same. */
export function prepareIdentity(operator: Operator, log: Log): void {
  asOperator(operator, () => {
    const umask = process.umask(0o022);
    try {
      makeDirectory(IDENTITY_DIRECTORY);
      for (const name of IDENTITY_NAMES) makeDirectory(`${IDENTITY_DIRECTORY}/${name}`);
    } catch (error) {
      log.warnOnce(
        `cannot make the identity directories in ${IDENTITY_DIRECTORY}: ${reasonOf(error)}; tool state will not outlive the container`,
      );
      return;
    } finally {
      process.umask(umask);
    }
    for (const name of IDENTITY_NAMES) {
      // `.aws` is the bridge's place, which has the vault's.
      if (name !== AWS_NAME) linkFromHome(name, operator, log);
    }
  });
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: MODE });
  } catch (error) {
    if (errnoName(error) !== 'EEXIST') throw error;
  }
}

function linkFromHome(name: string, operator: Operator, log: Log): void {
  const path = `${operator.home}/${name}`;
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) symlinkSync(`${IDENTITY_DIRECTORY}/${name}`, path);
  } catch (error) {
    log.warnOnce(`cannot link ${path} to ${IDENTITY_DIRECTORY}: ${reasonOf(error)}`);
  }
}
