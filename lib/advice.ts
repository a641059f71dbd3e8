// What to do about a file that the system does not let us read or write: a sentence for the hint of an error, or nothing where
// the system's own reason says it all.

import { errnoName } from './errors.ts';

/** @param path of the file that cannot be read */
export function readingAdvice(error: unknown, path: string): string | undefined {
  switch (errnoName(error)) {
    case 'EACCES':
    case 'EPERM':
      return `let who calls tazpod read ${path}, in a container the operator: change its owner or its mode`;
    case 'ENOENT':
      return 'in a container, name it by its path there: what is not mounted is not to be seen';
    case undefined:
    default:
      return undefined;
  }
}

/** @param directory where a file cannot be written */
export function writingAdvice(error: unknown, directory: string): string | undefined {
  switch (errnoName(error)) {
    case 'EACCES':
    case 'EPERM':
      return `let who calls tazpod write to ${directory}, in a container the operator: change its owner, on the host if it comes from there`;
    case 'EROFS':
      return `${directory} is mounted read-only: mount it without ":ro"`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `make room on the disk that ${directory} is on`;
    case undefined:
    default:
      return undefined;
  }
}
