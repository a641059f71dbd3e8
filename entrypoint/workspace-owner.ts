// Whose the workspace is. On the host it belongs to whoever works there, as some uid; the operator becomes that uid (account,
// group, home), so that it may write there, and what it writes is theirs. Mostly it is already: what there is to do otherwise is
// loaded when it is needed (owner-change.ts).

import { existsSync, lstatSync, statSync, type Stats } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { FORMER_OWNERS, HOME, WORKSPACE } from '../lib/paths.ts';
import type { Log } from './log.ts';
import type { Operator } from './operator.ts';
import { changeOwner, type Followed } from './owner-change.ts';

/**
 * Makes the operator the workspace's owner, if that is somebody that it may be.
 * @param isNamed TAZPOD_USER names the operator: it stays who it is
 */
export function followWorkspace(operator: Operator, isNamed: boolean, log: Log): Followed {
  const unchanged = { operator, transfer: undefined };
  if (process.getuid?.() !== 0) return unchanged;
  const workspace = statsOf(WORKSPACE, statSync);
  const home = statsOf(HOME, lstatSync);
  const isOurs = !isNamed && process.pid === 1;
  const isForeign = workspace !== undefined && workspace.uid !== operator.uid;
  const isUnfinished = isOurs && (home?.uid !== operator.uid || existsSync(FORMER_OWNERS));
  if (!isForeign && !isUnfinished) return unchanged;
  return changeOwner({ operator, isNamed, isOurs, workspace, home }, log);
}

/** Of a directory. What is not there, or cannot be looked at, is told by whoever needs it. */
function statsOf(path: string, stat: (path: string) => Stats): Stats | undefined {
  try {
    const stats = stat(path);
    return stats.isDirectory() ? stats : undefined;
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}
