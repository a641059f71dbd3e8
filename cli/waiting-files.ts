// Versions of the vault that wait for a person, since no save replaces or removes them: what was saved beside a vault that had
// changed on disk (conflict), and encrypted copies that went elsewhere when the vault could not be written (rescue).

import { basename, dirname } from 'node:path';

import { errnoName } from '../lib/errors.ts';
import { RESCUE_DIRECTORY, VAULT_FILE } from '../lib/paths.ts';
import { Files } from './doctor/files.ts';

export interface WaitingFile {
  readonly kind: 'conflict' | 'rescue';
  /** As it is: whoever may write to the directory chose the name, which has to be escaped where it is shown. */
  readonly path: Buffer;
}

/**
 * What waits beside the vault and where rescue copies go, the oldest of each kind first. A directory that may not be looked
 * into is none where this operator's vault could have been left.
 * @param rescueDirectory where copies go first, if anywhere but to the usual place
 */
export function waitingFiles(
  rescueDirectory = process.env['TAZPOD_RESCUE_DIR'] || undefined,
  files = new Files(),
): WaitingFile[] {
  // A link at the vault's path stays: conflict files are beside what it leads to.
  const beside = new Set([VAULT_FILE, files.realPath(VAULT_FILE) ?? VAULT_FILE].map((path) => dirname(path)));
  const rescue = new Set([rescueDirectory ?? RESCUE_DIRECTORY, RESCUE_DIRECTORY]);
  return [
    ...[...beside].flatMap((directory) => filesOf('conflict', directory, files)),
    ...[...rescue].flatMap((directory) => filesOf('rescue', directory, files)),
  ];
}

function filesOf(kind: WaitingFile['kind'], directory: string, files: Files): WaitingFile[] {
  return namesIn(directory, files)
    .filter((name) => name.toString('latin1').startsWith(`${basename(VAULT_FILE)}.${kind}-`))
    .sort((one, other) => one.compare(other))
    .map((name) => ({ kind, path: Buffer.concat([Buffer.from(`${directory}/`), name]) }));
}

function namesIn(directory: string, files: Files): Buffer[] {
  try {
    return [...files.names(directory)];
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return [];
  }
}
