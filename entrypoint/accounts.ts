// The accounts in /etc/passwd and /etc/group (passwd(5), group(5)), read from the files themselves.

import { readFileSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';

/** What files and processes belong to. */
export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** The lines of a file of fields; none where there is no such file. */
export function readTable(path: string): string[][] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(':'));
  } catch (error) {
    if (errnoName(error) === 'ENOENT') return [];
    throw error;
  }
}

export function isId(text: string | undefined): text is string {
  return text !== undefined && /^[0-9]{1,10}$/.test(text);
}
