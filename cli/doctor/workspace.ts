// The workspace: the project directory, which outlives the container and holds the vault and the identity directories.

import { resolve } from 'node:path';

import { IDENTITY_DIRECTORY, IDENTITY_NAMES, WORKSPACE } from '../../lib/paths.ts';
import { isNamed } from '../accounts.ts';
import { flags, ok, problem, shown, someOf, warning, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

const MOUNT_IT = flags('-v "$PWD:/workspace"', "volumes: ['./:/workspace']");

const MAKE_WRITABLE = 'on the host: chmod u+rwx DIR, the directory that is mounted there';

export function checkWorkspace(machine: Machine): Finding {
  const { files, operator } = machine;
  const stats = files.targetStats(WORKSPACE);
  if (stats === undefined) {
    return problem(
      'configuration',
      `there is no ${WORKSPACE}: the vault and the tools' state have no place`,
      ...MOUNT_IT,
    );
  }
  if (!stats.isDirectory()) {
    return problem('configuration', `${WORKSPACE} is not a directory: the vault has no place`, ...MOUNT_IT);
  }
  // It may be a link to where the project is mounted, or lie in a mount of more than it.
  const mount = machine.mountOf(resolve('/', files.link(WORKSPACE) ?? WORKSPACE));
  const isMounted = mount !== undefined && mount.point !== '/';
  if (isMounted && mount.options.has('ro')) {
    return problem(
      'save-failed',
      `${WORKSPACE} is mounted read-only: the vault can be unlocked, but not saved`,
      'docker run: leave :ro out of -v …:/workspace',
      'compose: leave :ro out of the volume',
    );
  }
  const owner = `uid ${stats.uid}${stats.uid === 0 ? ' (root: docker makes a missing directory so)' : ''}`;
  const isForeign = stats.uid !== operator.uid;
  const giveItAway = remedies(machine, stats.uid);
  const refusal = machine.refusal(WORKSPACE, 'write');
  if (refusal !== undefined && !isMounted) {
    return problem(
      'save-failed',
      `${WORKSPACE} is part of the container, and cannot be written to (${refusal}): nothing can be saved`,
      ...MOUNT_IT,
    );
  }
  if (refusal !== undefined) {
    return problem(
      'save-failed',
      isForeign
        ? `${WORKSPACE} belongs to ${owner}, and the operator (uid ${operator.uid}) may not write there: nothing can be saved`
        : `${WORKSPACE} cannot be written to (${refusal}): nothing can be saved`,
      ...(isForeign ? giveItAway : ([MAKE_WRITABLE] as const)),
    );
  }
  if (!isMounted) {
    return warning(
      `${WORKSPACE} is part of the container: what is saved there goes when the container is removed`,
      ...MOUNT_IT,
    );
  }
  if (isForeign) {
    return warning(
      `${WORKSPACE} belongs to ${owner}; the operator (uid ${operator.uid}) may write there, and its files will be of another owner`,
      ...giveItAway,
    );
  }
  if (machine.account !== undefined && operator.uid !== machine.account.uid) {
    return ok(
      `${WORKSPACE} is mounted (${mount.fileSystem}), and belongs to uid ${stats.uid}: the operator becomes that at the start`,
    );
  }
  return ok(`${WORKSPACE} is mounted (${mount.fileSystem}) and the operator's to write to`);
}

/** What makes the operator the workspace's owner, or the owner the operator. */
function remedies(machine: Machine, owner: number): readonly [string, ...string[]] {
  const { init, settings, operator } = machine;
  const chown = `on the host: sudo chown -R ${outside(machine, 'uid')}:${outside(machine, 'gid')} DIR, the directory that is mounted there`;
  const account = machine.accountOf(String(owner));
  if (outside(machine, 'uid') !== operator.uid)
    return [chown, `or rootless podman: --userns=keep-id:uid=${operator.uid},gid=${operator.gid} --user root`];
  if (account !== undefined && owner >= FIRST_PERSON)
    return [chown, `or be that account: TAZPOD_USER=${shown(account.name)}`];
  if (account !== undefined || owner === 0 || machine.initUid !== 0) return [chown];
  if (isNamed(settings.values.get('TAZPOD_USER')))
    return [chown, `or leave TAZPOD_USER out: the operator becomes uid ${owner} at the start`];
  return init.entrypoint === 1
    ? [chown]
    : [chown, `or docker run without --init: PID 1 makes the operator uid ${owner}`];
}

/** Accounts below it are those of services (login.defs(5)). */
const FIRST_PERSON = 1000;

/** What the operator's id is outside of our user namespace (user_namespaces(7)). */
function outside({ files, operator }: Machine, kind: 'uid' | 'gid'): number {
  const id = operator[kind];
  for (const line of files.text(`/proc/self/${kind}_map`)?.split('\n') ?? []) {
    const [first = Number.NaN, outer = Number.NaN, length = 0] = line.trim().split(/ +/).map(Number);
    if (id >= first && id < first + length) return outer + id - first;
  }
  return id;
}

/** What PID 1 makes in the workspace at every start. */
export function checkIdentity(machine: Machine): Finding {
  const { files, operator } = machine;
  const top = files.stats(IDENTITY_DIRECTORY);
  if (top === undefined) return ok(`${IDENTITY_DIRECTORY} is made at the next start`);
  if (!files.targetStats(IDENTITY_DIRECTORY)?.isDirectory()) {
    return problem(
      'configuration',
      `${IDENTITY_DIRECTORY} is not a directory: neither the vault nor the tools' state has a place`,
      `mv ${IDENTITY_DIRECTORY} ${IDENTITY_DIRECTORY}.aside`,
    );
  }
  const refusal = machine.refusal(IDENTITY_DIRECTORY, 'write');
  if (refusal !== undefined) {
    return problem(
      'save-failed',
      `${IDENTITY_DIRECTORY} cannot be written to by the operator (${refusal}): nothing new can be kept there`,
      `on the host: sudo chown -R ${operator.uid}:${operator.gid} DIR/.tazpod`,
    );
  }
  const odd = IDENTITY_NAMES.filter((name) => {
    const path = `${IDENTITY_DIRECTORY}/${name}`;
    if (files.stats(path) === undefined) return false;
    return !files.targetStats(path)?.isDirectory() || machine.refusal(path, 'write') !== undefined;
  });
  if (odd.length > 0) {
    return warning(
      `${someOf(odd)} in ${IDENTITY_DIRECTORY}: not a directory that the operator may write to; that tool's state is not kept`,
      `on the host: sudo chown -R ${operator.uid}:${operator.gid} DIR/.tazpod`,
    );
  }
  return ok(`${IDENTITY_DIRECTORY} is the operator's to write to`);
}
