// Listing of a verified archive: its members in their order, under the rules of extraction.

import { EntryRules } from './entry-rules.ts';
import { gunzip } from './gunzip.ts';
import { streamBudget, type ArchiveLimits } from './limits.ts';
import { TarReader, type TarEntry } from './tar-reader.ts';
import { PERMISSION_BITS } from './tree.ts';

export interface Member {
  /** As extraction would name it: relative, without `.` or a slash at the end. */
  readonly name: Buffer;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink';
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** What a link points to. */
  readonly target?: Buffer;
}

/**
 * The members as they come. Only the end of the iteration says that the archive is sound: what must not be told of a bad one
 * has to wait for it.
 * @throws TazpodError `malformed-archive`, `refused-entry`, `too-big`
 */
export async function* listArchive(tarGz: Buffer, limits: ArchiveLimits): AsyncGenerator<Member, void, undefined> {
  const rules = new EntryRules(limits);
  const found: Member[] = [];
  const reader = new TarReader({
    entry(entry) {
      const placement = rules.accept(entry);
      if (placement) found.push(memberOf(entry, Buffer.from(placement.path, 'latin1')));
    },
    data() {},
    entryEnd() {},
  });
  for await (const piece of gunzip(tarGz, streamBudget(limits))) {
    reader.push(piece);
    yield* found.splice(0);
  }
  reader.end();
  rules.finish();
}

function memberOf(entry: TarEntry, name: Buffer): Member {
  const mode = entry.mode & PERMISSION_BITS;
  const { size, mtime = 0, target } = entry;
  switch (entry.type) {
    case '5':
      return { name, type: 'directory', mode, size, mtime };
    case '2':
      return { name, type: 'symlink', mode, size, mtime, target };
    case '1':
      return { name, type: 'hardlink', mode, size, mtime, target };
    default:
      return { name, type: 'file', mode, size, mtime };
  }
}
