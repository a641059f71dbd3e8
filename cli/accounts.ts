// Accounts of passwd(5) and group(5), as PID 1 has them: from the files themselves, no name service is asked.

/** The operator's account unless TAZPOD_USER names another. */
export const DEFAULT_OPERATOR = 'tazpod';

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
