// Which hooks there are: the executables in /etc/tazpod/hooks/EVENT.d whose names run-parts(8) would take, in the order of
// their bytes. They run as the operator, and are looked at with its identity. What somebody else could have put there is
// refused: root's and the operator's own choice of what runs as the operator gives nobody anything new.

import { existsSync, readdirSync, statSync, type Stats } from 'node:fs';

import { errnoName, reasonOf } from '../lib/errors.ts';
import { HOOKS_DIRECTORY } from '../lib/paths.ts';
import type { Log } from './log.ts';
import { asOperator, type Operator } from './operator.ts';
import { printable } from './printable.ts';

export type HookEvent = 'unlocked' | 'locking' | 'stopping';

export interface Hook {
  /** `unlocked.d/NAME`. */
  readonly name: string;
  readonly path: string;
}

/** Without a dot: so no editor's or package manager's copy of a hook is one. */
const NAME = /^[A-Za-z0-9_-]+$/;
const EXECUTABLE = 0o111;
const GROUP_MAY_WRITE = 0o020;
const OTHERS_MAY_WRITE = 0o002;

/** The hooks of an event. What is there and is none is told. */
export function findHooks(event: HookEvent, operator: Operator, log: Log): Hook[] {
  // Most images have none: that takes one look, and no change of identity.
  if (!existsSync(HOOKS_DIRECTORY)) return [];
  const directory = `${HOOKS_DIRECTORY}/${event}.d`;
  return asOperator(operator, () => {
    try {
      const names = readdirSync(directory, 'latin1').sort();
      for (const path of [HOOKS_DIRECTORY, directory]) {
        const who = whoElseMayWrite(statSync(path), operator);
        if (names.length === 0 || who === undefined) continue;
        log.warnOnce(`cannot run the hooks in ${directory}: ${path} may be written to by ${who} (chmod go-w)`);
        return [];
      }
      return names.filter((name) => isHook(directory, name, operator, log)).map((name) => hookOf(event, name));
    } catch (error) {
      if (errnoName(error) === undefined) throw error;
      if (errnoName(error) !== 'ENOENT') log.warnOnce(`cannot read the hooks in ${directory}: ${reasonOf(error)}`);
      return [];
    }
  });
}

function hookOf(event: HookEvent, name: string): Hook {
  return { name: `${event}.d/${name}`, path: `${HOOKS_DIRECTORY}/${event}.d/${name}` };
}

function isHook(directory: string, name: string, operator: Operator, log: Log): boolean {
  const path = `${directory}/${name}`;
  const shown = printable(Buffer.from(path, 'latin1').toString());
  const skip = (reason: string): false => {
    log.warnOnce(`${shown} is no hook: ${reason}`);
    return false;
  };
  let stats: Stats;
  try {
    stats = statSync(Buffer.from(path, 'latin1'));
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return skip(reasonOf(error));
  }
  const isExecutable = stats.isFile() && (stats.mode & EXECUTABLE) !== 0;
  if (!NAME.test(name)) {
    const reason = 'its name holds something else than letters, digits, "-" and "_"';
    if (isExecutable) return skip(reason);
    log.debug(`${shown} is no hook: ${reason}`);
    return false;
  }
  if (!stats.isFile()) return skip('it is not a file');
  if (!isExecutable) return skip('it is not executable (chmod +x)');
  const who = whoElseMayWrite(stats, operator);
  return who === undefined || skip(`it may be written to by ${who} (chmod go-w)`);
}

/** Who may write there beside root and the operator; undefined: nobody. */
function whoElseMayWrite({ uid, gid, mode }: Stats, operator: Operator): string | undefined {
  if (uid !== 0 && uid !== operator.uid) return `its owner, uid ${uid}`;
  if ((mode & OTHERS_MAY_WRITE) !== 0) return 'everybody';
  // A person's own group, which is how files come out of a checkout on most machines, is the person.
  return (mode & GROUP_MAY_WRITE) !== 0 && gid !== 0 && gid !== operator.gid ? `its group, gid ${gid}` : undefined;
}
