// Accounts of passwd(5) and group(5), as PID 1 has them: from the files themselves, no name service is asked.

import type { Stats } from 'node:fs';

import { CONTROL_SOCKET, RUNTIME_DIRECTORY } from '../lib/paths.ts';

/** The operator's account unless TAZPOD_USER names another. */
export const DEFAULT_OPERATOR = 'tazpod';

/** What TAZPOD_USER may say for the default: the account as PID 1 makes it, with the workspace's uid. */
const FOLLOW_WORKSPACE = 'auto';

/** Whether TAZPOD_USER names an account, rather than leave it to the workspace's owner. */
export function isNamed(variable: string | undefined): boolean {
  return Boolean(variable) && variable !== FOLLOW_WORKSPACE;
}

/** The account that TAZPOD_USER names. */
export function operatorName(variable: string | undefined, standard: string = DEFAULT_OPERATOR): string {
  return variable !== undefined && isNamed(variable) ? variable : standard;
}

/**
 * The operator's account with the numbers that PID 1 runs it as. They are other ones than the account's where PID 1 made it the
 * workspace's owner and could not change /etc/passwd. The control socket is the operator's; whose that is, is root's to say.
 * @param stats of a path itself; undefined where nothing is
 */
export function asRun(account: Account, stats: (path: string) => Stats | undefined): Account {
  if (account.name !== DEFAULT_OPERATOR || stats(RUNTIME_DIRECTORY)?.uid !== 0) return account;
  const socket = stats(CONTROL_SOCKET);
  if (socket?.isSocket() !== true || socket.uid === 0) return account;
  return { ...account, uid: socket.uid, gid: socket.gid };
}

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/**
 * Finds an account by its name or uid.
 * @param passwd lines of `name:password:uid:gid:gecos:home:shell`
 */
export function findAccount(passwd: string, nameOrUid: string): Account | undefined {
  for (const line of passwd.split('\n')) {
    const [name, , uid, gid, , home, shell] = line.split(':');
    if (!name || (name !== nameOrUid && uid !== nameOrUid)) continue;
    if (!isId(uid) || !isId(gid)) continue;
    return { name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || '/bin/sh' };
  }
  return undefined;
}

/**
 * The groups of an account, its own among them.
 * @param group lines of `name:password:gid:member,member`
 */
export function groupsOf(group: string, { name, gid }: Account): number[] {
  const groups = new Set([gid]);
  for (const line of group.split('\n')) {
    const [, , id, members] = line.split(':');
    if (isId(id) && members?.split(',').includes(name)) groups.add(Number(id));
  }
  return [...groups];
}

function isId(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text);
}
