// The vault file, and what lies beside it: earlier versions, conflicts, rescue copies.

import { basename, dirname } from 'node:path';

import { VAULT_FILE, WORKSPACE } from '../../lib/paths.ts';
import { waitingFiles, type WaitingFile } from '../waiting-files.ts';
import { formatSize, sizeOption } from '../size.ts';
import { enclaveSize } from './enclave.ts';
import { flags, ok, problem, shown, someOf, warning, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

const DIRECTORY = dirname(VAULT_FILE);
const NAME = basename(VAULT_FILE);
/** Salt, nonce and tag: what a vault of nothing would have. */
const SHORTEST = 60;
/** What a save of next to nothing takes: a block for the file, one for the directory's growth. */
const LEAST_ROOM = 8192;

export function checkVault(machine: Machine): Finding {
  const { files, operator } = machine;
  const link = files.stats(VAULT_FILE);
  if (link === undefined) return ok(`there is no ${VAULT_FILE} yet: an unlock begins an empty one`);
  const stats = files.targetStats(VAULT_FILE);
  if (!stats?.isFile()) {
    const what =
      stats === undefined ? 'a link that leads nowhere' : stats.isDirectory() ? 'a directory' : 'no regular file';
    return problem(
      'configuration',
      `${VAULT_FILE} is ${what}: it cannot be unlocked, and no save replaces it`,
      `mv ${VAULT_FILE} ${VAULT_FILE}.aside`,
    );
  }
  if (machine.mountAt(VAULT_FILE) !== undefined) {
    return problem(
      'configuration',
      `${VAULT_FILE} is itself a mount point: a save cannot replace it, and it is not unlocked`,
      ...flags(`mount the directory that holds it: -v "$PWD:/workspace"`, "volumes: ['./:/workspace']"),
    );
  }
  const refusal = machine.refusal(VAULT_FILE, 'read');
  if (refusal !== undefined) {
    return problem(
      'configuration',
      `${VAULT_FILE} cannot be read by the operator (${refusal}; owner uid ${stats.uid}): it cannot be unlocked`,
      `on the host: sudo chown ${operator.uid}:${operator.gid} DIR/.tazpod/vault/${NAME}`,
    );
  }
  if (stats.size < SHORTEST) {
    return problem(
      'wrong-passphrase',
      `${VAULT_FILE} is cut off: it has ${stats.size} bytes, and a vault at least ${SHORTEST}`,
      files.stats(`${VAULT_FILE}.bak`) === undefined
        ? 'restore it from a copy'
        : `look into the version before: tazpod vault list ${VAULT_FILE}.bak`,
    );
  }
  const size = enclaveSize(machine);
  if (stats.size > size) {
    return warning(
      `${VAULT_FILE} has ${formatSize(stats.size)}, the enclave ${sizeOption(size)}: the contents will hardly fit`,
      ...flags('-e TAZPOD_ENCLAVE_SIZE=256m', 'environment: { TAZPOD_ENCLAVE_SIZE: 256m }'),
    );
  }
  const directoryRefusal = machine.refusal(DIRECTORY, 'write');
  if (directoryRefusal !== undefined) {
    return problem(
      'save-failed',
      `${DIRECTORY} cannot be written to by the operator (${directoryRefusal}): the vault can be unlocked, but not saved`,
      `on the host: sudo chown ${operator.uid}:${operator.gid} DIR/.tazpod/vault`,
    );
  }
  if (stats.uid !== operator.uid) {
    return warning(
      `${VAULT_FILE} belongs to uid ${stats.uid}: a save replaces it by a file of the operator's (uid ${operator.uid})`,
      `on the host: sudo chown ${operator.uid}:${operator.gid} DIR/.tazpod/vault/${NAME}`,
    );
  }
  return ok(`${VAULT_FILE}, ${formatSize(stats.size)}, written ${stats.mtime.toISOString()}`);
}

/** A save writes the new vault beside the old one, before it replaces that. */
export function checkRoom({ files }: Machine): Finding {
  const place = [DIRECTORY, WORKSPACE].find((path) => files.targetStats(path)?.isDirectory());
  if (place === undefined) return ok('there is no workspace to have room');
  const { bytes, hasInodes } = files.room(place);
  const wanted = Math.max(files.targetStats(VAULT_FILE)?.size ?? 0, LEAST_ROOM);
  if (bytes < wanted || !hasInodes) {
    return problem(
      'save-failed',
      hasInodes
        ? `${WORKSPACE} has room for ${formatSize(bytes)}, and a save needs ${formatSize(wanted)}: the vault cannot be saved`
        : `the file system of ${WORKSPACE} has no room for another file's name: the vault cannot be saved`,
      'on the host: make room on the disk of the directory that is mounted there',
    );
  }
  return ok(`${WORKSPACE} has room for ${formatSize(bytes)}`);
}

/** Versions that no save replaces or removes: a person has to look at them. */
export function checkBeside({ files, settings }: Machine): Finding {
  const waiting = waitingFiles(settings.values.get('TAZPOD_RESCUE_DIR'), files);
  const [conflicts, rescued] = [pathsOf('conflict', waiting), pathsOf('rescue', waiting)];
  if (conflicts.length > 0) {
    return warning(
      `another version of the vault was saved beside it, because it had changed on disk: ${someOf(conflicts)}`,
      `tazpod vault list ${shown(conflicts[0] ?? '')} shows what is in it; move what you keep to ${VAULT_FILE}`,
    );
  }
  if (rescued.length > 0) {
    return warning(
      `a save had failed, and its vault waits where it was rescued to: ${someOf(rescued)}`,
      `tazpod vault list ${shown(rescued[0] ?? '')} shows what is in it; move it to ${VAULT_FILE}, or remove it when you have what you need`,
    );
  }
  const backup = files.stats(`${VAULT_FILE}.bak`);
  return ok(
    backup === undefined
      ? 'no conflict, no rescue copy, no .bak'
      : `no conflict, no rescue copy; .bak is of ${backup.mtime.toISOString()}`,
  );
}

function pathsOf(kind: WaitingFile['kind'], waiting: readonly WaitingFile[]): Buffer[] {
  return waiting.filter((file) => file.kind === kind).map(({ path }) => path);
}
