// The operator becomes the workspace's owner (workspace-owner.ts). Never root, nor another account: then we say what mends it.
// Only the account that nobody named is changed, and only by PID 1: not on a machine where somebody tries us out.

import { accessSync, constants, readFileSync, realpathSync, type Stats } from 'node:fs';

import { errnoName, reasonOf } from '../lib/errors.ts';
import { HOME, RESCUE_DIRECTORY, WORKSPACE } from '../lib/paths.ts';
import { renumberAccount } from './account-changes.ts';
import { readTable, type Ids } from './accounts.ts';
import type { Log } from './log.ts';
import { mountOf } from './mountinfo.ts';
import { whollyAsOperator, type Operator } from './operator.ts';
import { Transfer, unfinishedOwners } from './transfer.ts';

/** What the kernel and file servers show for owners that mean nothing here: overflowuid, -2, -1. */
const NOBODY: ReadonlySet<number> = new Set([65_534, 0xffff_fffe, 0xffff_ffff]);
/** Below it are the accounts of services (login.defs(5)). */
const FIRST_PERSON = 1000;

export interface Followed {
  readonly operator: Operator;
  /** What of the home is still to be given to it. */
  readonly transfer: Transfer | undefined;
}

/** What was found. */
export interface Situation {
  readonly operator: Operator;
  /** TAZPOD_USER names the operator: it stays who it is. */
  readonly isNamed: boolean;
  /** It is PID 1's to change. */
  readonly isOurs: boolean;
  readonly workspace: Stats | undefined;
  readonly home: Stats | undefined;
}

/** Why the operator stays who it is, and what else than another owner would mend that. */
interface Obstacle {
  readonly reason: string;
  readonly remedy?: string | undefined;
}

/**
 * Makes the operator the workspace's owner, if that is somebody that it may be, and goes on with what an earlier start has not
 * given to it.
 */
export function changeOwner({ operator, isNamed, isOurs, workspace, home }: Situation, log: Log): Followed {
  const foreigner = workspace?.uid === operator.uid ? undefined : workspace;
  let obstacle = foreigner && obstacleTo(foreigner.uid, operator, isNamed, home);
  let next = foreigner !== undefined && obstacle === undefined ? withIds(operator, foreigner) : operator;
  let transfer: Transfer | undefined;
  try {
    if (isOurs) transfer = giveHome(operator, next, home, unfinishedOwners(), log);
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    obstacle = { reason: `its home ${HOME} cannot be given to uid ${next.uid} (${reasonOf(error)})` };
    next = operator;
  }
  if (obstacle !== undefined && workspace !== undefined) tell(workspace.uid, operator, obstacle, log);
  if (next !== operator) renumber(operator, next, log);
  return { operator: next, transfer };
}

function obstacleTo(uid: number, operator: Operator, isNamed: boolean, home: Stats | undefined): Obstacle | undefined {
  if (uid === 0) return { reason: 'that is root (docker makes a missing directory so)' };
  if (NOBODY.has(uid)) return { reason: 'that means nobody in this container' };
  const accounts = readTable('/etc/passwd');
  const namesOf = (id: number) => accounts.flatMap(([name, , number]) => (Number(number) === id && name ? [name] : []));
  const [other] = namesOf(uid);
  if (other !== undefined) {
    const remedy = uid < FIRST_PERSON ? undefined : `or be that account: TAZPOD_USER=${other}`;
    return { reason: `that is the account "${other}"`, remedy };
  }
  if (isNamed)
    return {
      reason: 'TAZPOD_USER says who it is',
      remedy: `or leave TAZPOD_USER out: the operator becomes uid ${uid}`,
    };
  if (process.pid !== 1)
    return {
      reason: 'only as PID 1 do we change accounts',
      remedy: 'or let us be PID 1: docker run without --init',
    };
  if (namesOf(operator.uid).length > 1) return { reason: `uid ${operator.uid} has another account, too` };
  if (home?.uid === operator.uid && isOfMachine(HOME))
    return { reason: `${HOME} is a directory of the machine’s, where uid ${home.uid} is somebody else` };
  return undefined;
}

/**
 * The operator with the workspace's uid, and its gid where the operator's group is its own and no other group has that number:
 * a group that the image gives a meaning (docker, shadow) is never joined by chance.
 */
function withIds(operator: Operator, { uid, gid }: Ids): Operator {
  const groups = readTable('/etc/group');
  const own = groups.find(([, , id]) => Number(id) === operator.gid)?.[0];
  const mayChange = own === operator.name && isFreeGroup(gid, groups);
  const newGid = mayChange ? gid : operator.gid;
  return { ...operator, uid, gid: newGid, groups: operator.groups.map((id) => (id === operator.gid ? newGid : id)) };
}

function isFreeGroup(gid: number, groups: readonly string[][]): boolean {
  return gid !== 0 && !NOBODY.has(gid) && groups.every(([, , id]) => Number(id) !== gid);
}

/**
 * Begins to give the operator what was its own: as the uid that it was, as the one that an earlier container on the same home
 * had made it, and what an earlier start of this one has left to do.
 */
function giveHome(
  from: Operator,
  to: Operator,
  home: Stats | undefined,
  unfinished: readonly Ids[],
  log: Log,
): Transfer | undefined {
  const former = [...(from === to ? [] : [from]), ...unfinished];
  if (home !== undefined && home.uid !== to.uid && home.uid !== from.uid && isOfEarlierContainer(home)) {
    former.push({ uid: home.uid, gid: isFreeGroup(home.gid, readTable('/etc/group')) ? home.gid : to.gid });
  }
  if (former.length === 0) return undefined;
  const paths = [...new Set([HOME, to.home, RESCUE_DIRECTORY])].filter((path) => !isOfMachine(path));
  return Transfer.begin(
    paths,
    former.filter(({ uid }) => uid !== to.uid),
    to,
    log,
  );
}

function isOfEarlierContainer({ uid }: Ids): boolean {
  if (uid === 0 || NOBODY.has(uid) || isOfMachine(HOME)) return false;
  return readTable('/etc/passwd').every(([, , id]) => Number(id) !== uid);
}

/**
 * Whether a directory is one of the machine's, whose files may be anybody's there: shown by a mount that is neither memory nor
 * a volume that the engine keeps for containers (`volumes/NAME/_data` with Docker, Podman and nerdctl).
 */
function isOfMachine(path: string): boolean {
  const mount = mountOf(path);
  if (mount === undefined || mount.point.equals(Buffer.from('/')) || mount.fileSystem === 'tmpfs') return false;
  return !/\/volumes\/[^/]+\/_data$/.test(mount.root.toString('latin1'));
}

/** `docker exec -u NAME` and `whoami` find the account by its files. Where those cannot be changed, the number has to do. */
function renumber(from: Operator, to: Operator, log: Log): void {
  try {
    renumberAccount(from.name, from, to);
    log.info(`the operator "${to.name}" is uid ${to.uid} now, not ${from.uid}: ${WORKSPACE} belongs to that`);
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    log.warn(
      `the operator is uid ${to.uid}, whose ${WORKSPACE} is, but has no account: cannot change /etc/passwd (${reasonOf(error)})`,
      `another shell in the container: docker exec -u ${to.uid}:${to.gid}`,
    );
  }
}

function tell(uid: number, operator: Operator, { reason, remedy }: Obstacle, log: Log): void {
  if (mayWrite(operator)) return;
  log.warn(
    `nothing can be saved: ${WORKSPACE} belongs to uid ${uid}; the operator (uid ${operator.uid}) may not write there, nor become that uid: ${reason}`,
    [chownLine(operator), ...(remedy === undefined ? [] : [remedy])].join('; '),
  );
}

/** What else is wrong with it than its owner and mode (`:ro`) is told by whoever writes there. */
function mayWrite(operator: Operator): boolean {
  try {
    whollyAsOperator(operator, () => accessSync(WORKSPACE, constants.W_OK | constants.X_OK));
    return true;
  } catch (error) {
    return errnoName(error) !== 'EACCES';
  }
}

function chownLine({ uid, gid }: Operator): string {
  if (mountOf(realpathSync(WORKSPACE))?.point.equals(Buffer.from('/')) === true)
    return `Dockerfile: RUN chown -R ${uid}:${gid} ${WORKSPACE}`;
  const owner = `${outside(uid, 'uid')}:${outside(gid, 'gid')}`;
  const line = `on the host: sudo chown -R ${owner} DIR, the directory that is mounted there`;
  return outside(uid, 'uid') === uid
    ? line
    : `${line}; rootless podman: --userns=keep-id:uid=${uid},gid=${gid} --user root`;
}

/** What an id of ours is outside of our user namespace (user_namespaces(7)). */
function outside(id: number, kind: 'uid' | 'gid'): number {
  for (const line of readFileSync(`/proc/self/${kind}_map`, 'latin1').split('\n')) {
    const [first = Number.NaN, outer = Number.NaN, length = 0] = line.trim().split(/ +/).map(Number);
    if (id >= first && id < first + length) return outer + id - first;
  }
  return id;
}
