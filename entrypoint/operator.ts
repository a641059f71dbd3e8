// The operator: the unprivileged account that the command and every worker run as, looked up in /etc/passwd and
// /etc/group (passwd(5), group(5)); and doing something with its identity.

import { TazpodError } from '../lib/errors.ts';
import { HOME } from '../lib/paths.ts';
import { addAccount } from './account-changes.ts';
import { isId, readTable } from './accounts.ts';
import { systemCall } from './native.ts';
import { applyAttributes } from './process-attributes.ts';

export const DEFAULT_OPERATOR = 'tazpod';
const UNCHANGED = -1;
const MOST_TRIES = 3;

export interface Operator {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, the primary one among them. */
  readonly groups: readonly number[];
  readonly home: string;
  readonly shell: string;
}

/**
 * Finds the operator's account. Started as root, it is the one that is named (by name or uid); otherwise it is whoever
 * we are, for we cannot become anybody else.
 * @param wanted TAZPOD_USER, if given
 * @throws TazpodError `configuration`
 */
export function findOperator(wanted: string | undefined): Operator {
  const self = process.getuid?.() ?? 0;
  const named = wanted ?? (self === 0 ? DEFAULT_OPERATOR : String(self));
  // Only in a container of our own: not on a machine where somebody tries us out.
  const mayCreate = self === 0 && wanted === undefined && process.pid === 1;
  let account = findAccount(named);
  if (account === undefined && mayCreate) {
    addAccount(named);
    account = findAccount(named);
  }

  if (account === undefined) {
    if (wanted !== undefined || self === 0) {
      throw new TazpodError('configuration', `cannot find the account "${named}" in /etc/passwd`, {
        hint: 'TAZPOD_USER names the account that the command runs as: add it to the image, or name one that is there',
      });
    }
    const gid = process.getgid?.() ?? self;
    return { name: String(self), uid: self, gid, groups: [gid], home: HOME, shell: '/bin/sh' };
  }
  if (account.uid === 0) {
    throw new TazpodError('configuration', `cannot run the command as root: "${named}" has uid 0`, {
      hint: 'TAZPOD_USER names an account without privileges',
    });
  }
  if (self !== 0 && account.uid !== self) {
    throw new TazpodError('configuration', `cannot become "${named}" (uid ${account.uid}): started as uid ${self}`, {
      hint: 'start the container as root, or leave TAZPOD_USER out',
    });
  }
  return { ...account, groups: groupsOf(account) };
}

type Account = Omit<Operator, 'groups'>;

function findAccount(nameOrId: string): Account | undefined {
  for (const [name, , uid, gid, , home, shell] of readTable('/etc/passwd')) {
    if (name !== nameOrId && uid !== nameOrId) continue;
    if (!name || !isId(uid) || !isId(gid)) continue;
    return { name, uid: Number(uid), gid: Number(gid), home: home || HOME, shell: shell || '/bin/sh' };
  }
  return undefined;
}

function groupsOf({ name, gid }: Account): number[] {
  const groups = new Set([gid]);
  for (const [, , id, members] of readTable('/etc/group')) {
    if (isId(id) && members?.split(',').includes(name)) groups.add(Number(id));
  }
  return [...groups];
}

/**
 * Does something with the operator's effective identity: the kernel then refuses what the operator may not do, and what
 * is made is the operator's. Synchronous work only: it is the main thread's identity that changes. (It also makes the
 * process undumpable and forgets the parent-death signal: prctl(2).)
 */
export function asOperator<T>(operator: Operator, work: () => T): T {
  return withIdentity(operator, UNCHANGED, work);
}

/**
 * Does something with the operator's real identity as well. What is started then is the operator's for good, for execve(2)
 * makes the saved identity follow; what is signalled is what the operator could signal (kill(2) asks for the real one, too).
 * Our saved identity stays root, which brings us back, and keeps what is only checked against all three ids (prlimit(2))
 * from the operator's processes.
 */
export function whollyAsOperator<T>(operator: Operator, work: () => T): T {
  return withIdentity(operator, operator.uid, work);
}

function withIdentity<T>(operator: Operator, realUid: number, work: () => T): T {
  if (process.getuid?.() !== 0) return work();
  const realGid = realUid === UNCHANGED ? UNCHANGED : operator.gid;
  const ownGroups = process.getgroups?.() ?? [];
  setGroups(operator.groups);
  try {
    systemCall('setresgid', realGid, operator.gid, UNCHANGED);
    systemCall('setresuid', realUid, operator.uid, UNCHANGED);
    return work();
  } finally {
    becomeRootAgain(ownGroups);
    applyAttributes();
  }
}

/** Nobody else could wipe and unmount: what is refused once is asked for again. */
function becomeRootAgain(groups: readonly number[]): void {
  for (let tries = 1; ; tries++) {
    try {
      systemCall('setresuid', 0, 0, UNCHANGED);
      systemCall('setresgid', 0, 0, UNCHANGED);
      setGroups(groups);
      return;
    } catch (error) {
      if (tries === MOST_TRIES) throw error;
    }
  }
}

function setGroups(groups: readonly number[]): void {
  systemCall('setgroups', groups.length, Buffer.from(Uint32Array.from(groups).buffer));
}
