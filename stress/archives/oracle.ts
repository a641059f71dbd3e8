// What an archive may make, looked at from outside: by what lies on the disk, without asking the code that put it there.
// All paths are bytes.

import { chmodSync, lstatSync, readdirSync, readlinkSync, rmdirSync, unlinkSync, type Stats } from 'node:fs';

import { TazpodError } from '../../lib/errors.ts';
import type { ArchiveLimits } from '../../lib/limits.ts';

const REFUSALS: readonly string[] = ['malformed-archive', 'refused-entry', 'too-big'];
/** Of a message in characters: a kilobyte of name, all of it escaped, and some words. */
const LONGEST_MESSAGE = 4 * 1024 + 300;
/** path_resolution(7). */
const MOST_LINKS = 40;
const SLASH = Buffer.from('/');

interface Found {
  readonly path: Buffer;
  readonly stats: Stats;
}

/** What is wrong with an error that an extraction ended with. */
export function judgeRefusal(error: unknown): string | undefined {
  if (!(error instanceof TazpodError))
    return `no error of ours: ${error instanceof Error ? error.stack : String(error)}`;
  const { code, message, hint = '' } = error;
  if (!REFUSALS.includes(code)) return `the code "${code}": ${message.slice(0, 1000)}`;
  if (!message.startsWith('cannot ')) return `a message that does not begin with "cannot": ${message.slice(0, 200)}`;
  if (message.length > LONGEST_MESSAGE) return `a message of ${message.length} characters: ${message.slice(0, 200)}…`;
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(message + hint))
    return `a message that is not printable: ${JSON.stringify(message)}`;
  return undefined;
}

/**
 * Looks at an extracted tree, and removes it.
 * @returns what is wrong with it
 */
export function judgeTree(root: Buffer, limits: ArchiveLimits): string[] {
  const found = listed(root);
  const findings = found.flatMap(({ path, stats }) => judgeFile(root, path, stats));
  const names = new Map<number, number>();
  let bytes = 0;
  for (const { stats } of found) {
    if (!stats.isFile()) continue;
    if (!names.has(stats.ino)) bytes += stats.size;
    names.set(stats.ino, (names.get(stats.ino) ?? 0) + 1);
  }
  for (const { path, stats } of found) {
    if (stats.isFile() && names.get(stats.ino) !== stats.nlink) findings.push(`${show(path)} has a name outside`);
  }
  if (found.length > limits.entries) findings.push(`${found.length} entries, more than ${limits.entries}`);
  if (bytes > limits.contents) findings.push(`${bytes} bytes, more than ${limits.contents}`);
  for (const { path, stats } of found.toReversed()) (stats.isDirectory() ? rmdirSync : unlinkSync)(path);
  rmdirSync(root);
  return findings;
}

/** All that is below `directory`, parents first. Makes directories searchable on the way. */
function listed(directory: Buffer): Found[] {
  chmodSync(directory, 0o700);
  return readdirSync(directory, { encoding: 'buffer' }).flatMap((name) => {
    const path = Buffer.concat([directory, SLASH, name]);
    const stats = lstatSync(path);
    return [{ path, stats }, ...(stats.isDirectory() ? listed(path) : [])];
  });
}

function judgeFile(root: Buffer, path: Buffer, stats: Stats): string[] {
  const findings: string[] = [];
  if (!stats.isFile() && !stats.isDirectory() && !stats.isSymbolicLink())
    findings.push('is no file, directory or link');
  if (!stats.isSymbolicLink() && (stats.mode & 0o7000) !== 0) findings.push(`has the mode ${stats.mode.toString(8)}`);
  if (stats.uid !== process.getuid?.()) findings.push(`belongs to ${stats.uid}`);
  if (stats.isSymbolicLink() && !staysInside(root, path))
    findings.push(`leads out, to ${show(readlinkSync(path, BYTES))}`);
  return findings.map((finding) => `${show(path)} ${finding}`);
}

const BYTES = { encoding: 'buffer' } as const;

/**
 * Follows a link as the kernel does, component by component, with whatever the disk has on the way. What is not there is
 * taken for an empty directory, since somebody may make one.
 */
function staysInside(root: Buffer, link: Buffer): boolean {
  const top = root.toString('latin1');
  let at = link.toString('latin1').slice(top.length).split('/').slice(1, -1);
  const todo = readlinkSync(link, BYTES).toString('latin1').split('/');
  if (todo[0] === '') return false;
  for (let links = 0; todo.length > 0;) {
    const component = todo.shift() ?? '';
    if (component === '' || component === '.') continue;
    if (component === '..') {
      if (at.length === 0) return false;
      at = at.slice(0, -1);
      continue;
    }
    const next = [...at, component];
    const path = Buffer.from([top, ...next].join('/'), 'latin1');
    if (!lstatOrNothing(path)?.isSymbolicLink()) {
      at = next;
      continue;
    }
    // A loop leads nowhere.
    if (++links > MOST_LINKS) return true;
    const target = readlinkSync(path, BYTES).toString('latin1').split('/');
    if (target[0] === '') return false;
    todo.unshift(...target);
  }
  return true;
}

function lstatOrNothing(path: Buffer): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    // Missing, below something that is no directory, or too long: the kernel would stop here, too.
    return undefined;
  }
}

function show(path: Buffer): string {
  return JSON.stringify(path.toString('latin1'));
}
