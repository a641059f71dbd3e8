// How a process from outside gets into a running container, as `docker exec` does: nsenter(1), with the container's capabilities.

import { CAPABILITIES } from './launch.ts';
import type { Namespaces } from './namespaces.ts';

/**
 * The command line that runs `command` beside the PID 1 that this machine knows as `pid`.
 * @param user the uid and gid that it runs as; root unless given (in a namespace without root, the operator always)
 */
export function nsenterCommand(
  pid: number,
  { kind }: Namespaces,
  command: readonly string[],
  user?: number,
): [string, ...string[]] {
  const enter = ['--target', String(pid), '--mount', '--pid', '--ipc', '--uts', '--root', '--wd'];
  if (kind !== 'native') enter.push('--user');
  if (kind === 'single') enter.push('--preserve-credentials');
  const set = ['-all', ...CAPABILITIES.map((name) => `+${name}`)].join(',');
  const identity =
    user === undefined || kind === 'single' ? [] : [`--reuid=${user}`, `--regid=${user}`, '--init-groups'];
  return ['nsenter', ...enter, '--', 'setpriv', `--bounding-set=${set}`, ...identity, '--', ...command];
}
