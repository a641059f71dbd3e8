// The identity directories: tool state that outlives the container, under /workspace/.tazpod, and the home's links to
// them. Made with the operator's identity, idempotent; what is inside is never touched.

import { lstatSync, mkdirSync, symlinkSync } from 'node:fs';

import { errnoName, reasonOf } from '../lib/errors.ts';
import { AWS_NAME, IDENTITY_DIRECTORY, IDENTITY_NAMES, WORKSPACE } from '../lib/paths.ts';
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
        `cannot make the identity directories in ${IDENTITY_DIRECTORY}: ${reasonOf(error)}; tool state will not outlive the container unless uid ${operator.uid} may write to ${WORKSPACE}`,
      );
      return;
    } finally {
      process.umask(umask);
    }
    // `.aws` is the bridge's place, which has the vault's.
    const failed = Map.groupBy(
      IDENTITY_NAMES.filter((name) => name !== AWS_NAME),
      (name) => linkFromHome(name, operator),
    );
    for (const [reason, names] of failed) {
      if (reason === undefined) continue;
      log.warnOnce(`cannot link ${names.join(', ')} in ${operator.home} to ${IDENTITY_DIRECTORY}: ${reason}`);
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

/** Answers why the link cannot be made, if it cannot. */
function linkFromHome(name: string, operator: Operator): string | undefined {
  const path = `${operator.home}/${name}`;
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) symlinkSync(`${IDENTITY_DIRECTORY}/${name}`, path);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
