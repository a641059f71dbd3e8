// The container's root file system: read-only is fine, as long as what is mounted on is there.

import { BRIDGE_TARGET, ENCLAVE, HOME, RUNTIME_DIRECTORY } from '../../lib/paths.ts';
import { isGivenByEngine } from './capabilities.ts';
import { flags, ok, problem, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

export function checkRoot(machine: Machine): Finding {
  if (!machine.mountAt('/')?.options.has('ro')) return ok('the root file system may be written to');
  const { files, operator } = machine;
  const missing = [ENCLAVE, RUNTIME_DIRECTORY].filter((path) => files.targetStats(path) === undefined);
  if (missing.length > 0) {
    return problem(
      'cannot-mount',
      `the root file system is read-only and lacks ${missing.join(' and ')}: there is nothing to mount on`,
      `Dockerfile: RUN install -d ${missing.join(' ')}`,
      ...flags('leave --read-only out', 'leave read_only out'),
    );
  }
  const point = files.stats(ENCLAVE);
  const isAsPid1WantsIt = point?.uid === 0 && (point.mode & 0o7777) === 0o555;
  if (machine.mountAt(ENCLAVE) === undefined && !isAsPid1WantsIt) {
    return problem(
      'cannot-mount',
      `the root file system is read-only, and PID 1 cannot make ${ENCLAVE} a directory of root's without write permission`,
      `Dockerfile: RUN install -d -o root -g root -m 0555 ${ENCLAVE}`,
      ...flags('leave --read-only out', 'leave read_only out'),
    );
  }
  // Without the capability the bridge is a link, which has to be made in the home.
  const needsLink = isGivenByEngine(machine) && !files.stats(BRIDGE_TARGET)?.isSymbolicLink();
  if (needsLink && machine.mountOf(HOME)?.options.has('ro')) {
    const mount = `${HOME}:mode=0755,uid=${operator.uid},gid=${operator.gid}`;
    return problem(
      'cannot-mount',
      `${HOME} is read-only: without CAP_SYS_ADMIN there is no place for the link ${BRIDGE_TARGET}, and nothing is unlocked`,
      ...flags(`--tmpfs ${mount}`, `tmpfs: ['${mount}']`),
    );
  }
  return ok('the root file system is read-only, and has all that is mounted on');
}
