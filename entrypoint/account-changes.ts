// Changes of the accounts in /etc/passwd and /etc/group (passwd(5), group(5)): made where the image lacks one, and given other
// numbers. Files are replaced whole: whoever reads one meanwhile reads the old or the new. No lock is taken, as shadow-utils
// would: PID 1 does this before anything else runs, and a lock left by a killed container would stay.

import {
  appendFileSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';

import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { HOME } from '../lib/paths.ts';
import { isId, readTable, type Ids } from './accounts.ts';
import { Directory } from './directory.ts';
import { cString } from './native.ts';

const DEFAULT_ID = 1000;
const PASSWD = 'passwd';
const GROUP = 'group';
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/**
 * Makes an account where an image does not have it, with a group of its own and its home, so that adding us to an image takes no
 * `useradd`. Its uid is 1000, or the next one that no account has.
 * @throws TazpodError `configuration`
 */
export function addAccount(name: string): void {
  const taken = new Set([...readTable('/etc/passwd'), ...readTable('/etc/group')].map((fields) => Number(fields[2])));
  let id = DEFAULT_ID;
  while (taken.has(id)) id++;
  const shell = readTable('/etc/shells').some(([path]) => path === '/bin/bash') ? '/bin/bash' : '/bin/sh';
  try {
    appendLine('/etc/group', `${name}:x:${id}:`);
    appendLine('/etc/passwd', `${name}:x:${id}:${id}:TazPod operator:${HOME}:${shell}`);
    mkdirSync(HOME, { recursive: true });
    chownSync(HOME, id, id);
  } catch (error) {
    throw new TazpodError(
      'configuration',
      `cannot make the account "${name}", which this image lacks: ${reasonOf(error)}`,
      {
        hint: `add it to the image (useradd --create-home ${name}), or name another with TAZPOD_USER`,
        cause: error,
      },
    );
  }
}

/** Appends a line, after the end of one that has none. */
function appendLine(path: string, line: string): void {
  const present = existsSync(path) ? readFileSync(path, 'utf8') : '';
  appendFileSync(path, `${present === '' || present.endsWith('\n') ? '' : '\n'}${line}\n`);
}

/**
 * Gives an account, and its group if that changes, other numbers. Only in the container's own files: what is mounted there
 * may be the machine's.
 * @throws SystemCallError or Node's own where they cannot be written; then nothing has changed
 */
export function renumberAccount(name: string, from: Ids, to: Ids): void {
  using root = Directory.open('/');
  using etc = root.openBeneath('etc');
  const replacements: Replacement[] = [];
  try {
    if (from.gid !== to.gid) replacements.push(new Replacement(etc, GROUP, (text) => withGroup(text, from, to)));
    replacements.push(new Replacement(etc, PASSWD, (text) => withAccount(text, name, from, to)));
    for (const replacement of replacements) replacement.commit();
  } finally {
    for (const replacement of replacements) replacement[Symbol.dispose]();
  }
}

/** The lines of passwd(5), with other numbers for the account. */
function withAccount(text: string, name: string, from: Ids, to: Ids): string {
  return mapLines(text, ([account, password, uid, gid, ...rest]) =>
    account === name && Number(uid) === from.uid && Number(gid) === from.gid
      ? [account, password ?? '', String(to.uid), String(to.gid), ...rest]
      : undefined,
  );
}

/** The lines of group(5), with another number for the group. */
function withGroup(text: string, from: Ids, to: Ids): string {
  return mapLines(text, ([group, password, gid, ...rest]) =>
    group !== undefined && isId(gid) && Number(gid) === from.gid
      ? [group, password ?? '', String(to.gid), ...rest]
      : undefined,
  );
}

function mapLines(text: string, map: (fields: string[]) => string[] | undefined): string {
  return text
    .split('\n')
    .map((line) => map(line.split(':'))?.join(':') ?? line)
    .join('\n');
}

/**
 * A file's new contents beside it, with its owner and mode, until they take its place or are dropped. Not forced to disk: on a
 * busy one that takes seconds, and a container that a power cut has damaged is made anew.
 */
class Replacement implements Disposable {
  readonly #directory: Directory;
  readonly #name: string;
  readonly #temporary: string;

  constructor(directory: Directory, name: string, change: (text: string) => string) {
    this.#directory = directory;
    this.#name = name;
    this.#temporary = `${name}.tazpod`;
    // Neither a link nor a file that is mounted there.
    const present = directory.openEntry(cString(name), O_RDONLY);
    try {
      // Latin-1 keeps the bytes of names and comments as they are.
      this.#write(Buffer.from(change(readFileSync(present, 'latin1')), 'latin1'), fstatSync(present));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    } finally {
      closeSync(present);
    }
  }

  commit(): void {
    renameSync(this.#directory.path(this.#temporary), this.#directory.path(this.#name));
  }

  [Symbol.dispose](): void {
    try {
      rmSync(this.#directory.path(this.#temporary), { force: true });
    } catch (error) {
      // There is none on a file system that cannot be written to.
      if (errnoName(error) !== 'EROFS') throw error;
    }
  }

  #write(contents: Buffer, { uid, gid, mode }: { uid: number; gid: number; mode: number }): void {
    // One may be left by a container that was killed.
    this[Symbol.dispose]();
    const path = this.#directory.path(this.#temporary);
    const file = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      for (let at = 0; at < contents.length;) at += writeSync(file, contents, at);
      fchownSync(file, uid, gid);
      fchmodSync(file, mode & 0o7777);
    } finally {
      closeSync(file);
    }
  }
}
