// The enclave: a tmpfs while the vault is unlocked (or always, where the engine mounts it), else root's empty directory.

import { TazpodError } from '../../lib/errors.ts';
import { BRIDGE_SOURCE, BRIDGE_TARGET, ENCLAVE } from '../../lib/paths.ts';
import { parseSize, sizeOption } from '../size.ts';
import { engineMount } from './capabilities.ts';
import { flags, ok, problem, warning, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';
import { optionOf } from './mounts.ts';

const DEFAULT_SIZE = 64 * 2 ** 20;

/** What the enclave can hold, in bytes: of the mount, if it is there, else as PID 1 would make it. */
export function enclaveSize(machine: Machine): number {
  const mount = machine.mountAt(ENCLAVE);
  const text = mount ? optionOf(mount, 'size') : machine.settings.values.get('TAZPOD_ENCLAVE_SIZE');
  return parseSize(text?.replace(/b$/i, '') ?? '') ?? DEFAULT_SIZE;
}

export function checkEnclave(machine: Machine): Finding {
  const mount = machine.mountAt(ENCLAVE);
  if (mount === undefined) return checkMountPoint(machine);
  if (mount.fileSystem !== 'tmpfs') {
    return problem(
      'cannot-mount',
      `${ENCLAVE} is a ${mount.fileSystem} mount: secrets must stay in RAM, so nothing is unlocked`,
      ...flags(`leave -v …:${ENCLAVE} out`, `leave the volume ${ENCLAVE} out`),
    );
  }
  const { files, operator, initUid, answer } = machine;
  const stats = files.targetStats(ENCLAVE);
  const isUnlocked = !(answer instanceof TazpodError) && answer.state === 'unlocked';
  // A PID 1 that is root sets owner and mode itself, when it unlocks.
  if (stats !== undefined && stats.uid !== operator.uid && (initUid !== 0 || isUnlocked)) {
    return problem(
      'cannot-mount',
      `${ENCLAVE} belongs to uid ${stats.uid}, not to the operator (uid ${operator.uid}): it cannot be used`,
      ...engineMount(machine),
    );
  }
  if (isUnlocked && stats !== undefined && (stats.mode & 0o077) !== 0) {
    return warning(
      `${ENCLAVE} has the mode ${(stats.mode & 0o777).toString(8)}: others than the operator may look into it`,
      `chmod 700 ${ENCLAVE}`,
    );
  }
  return ok(`${ENCLAVE} is in RAM (tmpfs), size ${sizeOption(enclaveSize(machine))}${isUnlocked ? ', unlocked' : ''}`);
}

function checkMountPoint({ files, operator }: Machine): Finding {
  const stats = files.stats(ENCLAVE);
  if (stats === undefined) return ok(`nothing is mounted at ${ENCLAVE}, which is made at the next start`);
  if (!stats.isDirectory()) {
    return problem(
      'cannot-mount',
      `${ENCLAVE} is ${stats.isSymbolicLink() ? 'a symbolic link' : 'no directory'}: the enclave is not mounted there`,
      `rm ${ENCLAVE}`,
    );
  }
  if (stats.uid !== 0 && stats.uid !== operator.uid) {
    return problem(
      'cannot-mount',
      `${ENCLAVE} belongs to uid ${stats.uid}: the enclave is not mounted there`,
      `Dockerfile: RUN install -d -m 0555 ${ENCLAVE}`,
    );
  }
  if (files.names(ENCLAVE).length > 0) {
    return warning(
      `${ENCLAVE} holds files on disk, in the clear: an unlock covers them, and does not remove them`,
      `as root: move them away; what is to be in the vault is copied into ${ENCLAVE} while it is unlocked`,
    );
  }
  return ok(`nothing is mounted at ${ENCLAVE}: the vault is locked`);
}

/** Where tools look for credentials: what an unlock covers there is plaintext on disk. */
export function checkBridge(machine: Machine): Finding {
  const { files } = machine;
  const stats = files.stats(BRIDGE_TARGET);
  if (machine.mountAt(BRIDGE_TARGET) !== undefined) return ok(`${BRIDGE_TARGET} is mounted over`);
  if (stats?.isSymbolicLink()) {
    return ok(
      files.link(BRIDGE_TARGET) === BRIDGE_SOURCE
        ? `${BRIDGE_TARGET} is a link into the enclave`
        : `${BRIDGE_TARGET} is a link, which is put aside while the vault is unlocked`,
    );
  }
  if (stats?.isDirectory() && files.names(BRIDGE_TARGET).length > 0) {
    return warning(
      `${BRIDGE_TARGET} holds files on disk, in the clear: an unlock covers them, and does not remove them`,
      `move them into the vault: tazpod unlock, then copy them to ${BRIDGE_SOURCE}; remove the others after tazpod lock`,
    );
  }
  return ok(`${BRIDGE_TARGET} shows the vault's while that is unlocked`);
}
