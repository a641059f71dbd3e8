// Packs a directory into a tar.gz that extraction accepts. Every entry is read again, by extraction's own reader, from the very
// bytes that go into the archive, and judged by extraction's own rules; what cannot pass, or cannot be read, is left out and
// named. The archive is whole whatever happens meanwhile.
// The same tree gives the same bytes: sorted by name, owners and gzip time 0, times in whole seconds.

import { hash } from 'node:crypto';
import { lstatSync, readdirSync, readlinkSync, type Dirent } from 'node:fs';

import { type Contents, contentsOf } from './contents-digest.ts';
import { EntryRules, type Placement } from './entry-rules.ts';
import { errnoName, reasonOf, TazpodError } from './errors.ts';
import { escapeName } from './escape.ts';
import { gzip } from './gzip.ts';
import { lendIfOurs, type LentPermission } from './lent-permission.ts';
import { streamBudget, type ArchiveLimits } from './limits.ts';
import type { Progress } from './progress.ts';
import { Refusal } from './refusal.ts';
import { isWinding } from './safe-name.ts';
import { encodeHeader, END_BLOCKS, paddingOf } from './tar-block.ts';
import { TarReader, type TarEntry, type TarSink } from './tar-reader.ts';
import type { DirectoryNode } from './tree.ts';
import { OpenFile } from './whole-file.ts';

export interface LeftOut {
  /** Escaped for display. */
  readonly name: string;
  readonly reason: string;
}

export interface Packed {
  /** A tar.gz, in pieces. */
  readonly archive: Buffer[];
  /** What tells them from others: see contents-digest.ts. */
  readonly contents: Contents;
  readonly entries: number;
  readonly leftOut: LeftOut[];
}

/**
 * Packs what is in `directory`, not crossing into other file systems.
 * @param options.exclude names at the top that are passed over without a word
 * @param options.digestKey from `digestKeyOf`; it may still be derived while files are read
 * @param options.onWalked given the tree as soon as it is whole, while the last members are still to be compressed
 * @param options.progress told of the bytes that went to the compressor; their total nobody knows before
 * @throws TazpodError `configuration` when the directory itself cannot be read
 */
export async function packDirectory(options: {
  readonly directory: string;
  readonly exclude: readonly string[];
  readonly limits: ArchiveLimits;
  readonly digestKey: Buffer | Promise<Buffer>;
  readonly onWalked?: (tree: DirectoryNode) => void;
  readonly progress?: Progress | undefined;
}): Promise<Packed> {
  const packer = new Packer(options.directory, options.limits);
  const { rules, leftOut } = packer;
  const walked = Promise.withResolvers<void>();
  function* pieces(): Generator<Buffer> {
    yield* packer.pack(options.exclude);
    options.onWalked?.(rules.root);
    walked.resolve();
  }
  // While the last members are compressed.
  const digested = walked.promise.then(async () => contentsOf(rules.root, await options.digestKey));
  const [archive, contents] = await Promise.all([gzip(pieces(), options.progress), digested]);
  return { archive, contents, entries: rules.entries, leftOut };
}

/** Thrown to leave an entry out; what lies below it goes with it. */
class Unfit extends Error {}

class Packer {
  readonly rules: EntryRules;
  readonly leftOut: LeftOut[] = [];
  readonly #directory: string;
  readonly #limits: ArchiveLimits;
  readonly #judge: Judge;
  /** The name under which a file with several names was packed first, by its identity. */
  readonly #packed = new Map<string, Buffer>();
  /** Links whose meaning depends on the rest of the tree: they come last. */
  readonly #winding: { readonly name: Buffer; readonly link: TarEntry }[] = [];
  #device = 0;
  #budget: number;

  constructor(directory: string, limits: ArchiveLimits) {
    this.rules = new EntryRules(limits);
    this.#judge = new Judge(this.rules);
    this.#directory = directory;
    this.#limits = limits;
    this.#budget = streamBudget(limits) - END_BLOCKS.length;
  }

  /** The tar archive, in pieces. */
  *pack(exclude: readonly string[]): Generator<Buffer> {
    const children = this.#top().filter(({ name }) => !exclude.some((other) => name.equals(Buffer.from(other))));
    yield* this.#children(Buffer.alloc(0), children);
    yield* this.#windingLinks();
    this.#judge.follow(END_BLOCKS);
    this.#judge.end();
    yield END_BLOCKS;
  }

  #top(): Dirent<Buffer>[] {
    try {
      this.#device = lstatSync(this.#at(Buffer.from('.'))).dev;
      return this.#read(Buffer.from('.'));
    } catch (cause) {
      throw new TazpodError('configuration', `cannot read the directory ${this.#directory}: ${reasonOf(cause)}`, {
        cause,
      });
    }
  }

  *#children(directory: Buffer, children: Dirent<Buffer>[]): Generator<Buffer> {
    for (const child of children) {
      const path = directory.length === 0 ? child.name : Buffer.concat([directory, Buffer.from('/'), child.name]);
      if (child.isDirectory()) yield* this.#subdirectory(path);
      else yield* this.#attempt(path, () => this.#leaf(path, child));
    }
  }

  *#subdirectory(path: Buffer): Generator<Buffer> {
    let lent: LentPermission | undefined;
    try {
      let children: Dirent<Buffer>[] = [];
      const header = this.#attempt(path, () => {
        const stats = lstatSync(this.#at(path));
        if (!stats.isDirectory()) throw new Unfit('it changed while it was packed');
        if (stats.dev !== this.#device) throw new Unfit('another file system is mounted there');
        // Without search permission its names can be read, but nothing behind them.
        if ((stats.mode & 0o500) !== 0o500) lent = lendIfOurs(this.#at(path), 0o500);
        children = this.#read(path);
        return this.#emit(entryOf(Buffer.concat([path, Buffer.from('/')]), '5', stats));
      });
      yield* header;
      if (header.length > 0) yield* this.#children(path, children);
    } finally {
      lent?.[Symbol.dispose]();
    }
  }

  *#windingLinks(): Generator<Buffer> {
    const headers = this.#winding.map(({ name, link }) => ({
      name,
      blocks: this.#attempt(name, () => this.#emit(link).map((block) => Buffer.from(block))),
    }));
    const unsafe = this.rules.withdrawUnsafeLinks();
    for (const { name, blocks } of headers) {
      const refusal = unsafe.get(name.toString('latin1'));
      if (refusal) this.leftOut.push({ name: escapeName(name), reason: refusal.message });
      else yield* blocks;
    }
  }

  #leaf(path: Buffer, child: Dirent<Buffer>): Buffer[] {
    if (child.isFile()) return this.#file(path);
    if (child.isSymbolicLink()) return this.#symlink(path);
    throw new Unfit(child.isSocket() ? 'it is a socket' : child.isFIFO() ? 'it is a fifo' : 'it is a device');
  }

  #symlink(path: Buffer): Buffer[] {
    const target = readlinkSync(this.#at(path), { encoding: 'buffer' });
    const link = { ...entryOf(path, '2', lstatSync(this.#at(path))), target };
    if (!isWinding(target)) return this.#emit(link);
    this.#winding.push({ name: path, link });
    return [];
  }

  #file(path: Buffer): Buffer[] {
    using file = new OpenFile(this.#at(path));
    const { stats, identity } = file;
    if (!stats.isFile()) throw new Unfit('it changed while it was packed');
    if (stats.dev !== this.#device) throw new Unfit('another file system is mounted there');
    const target = identity === undefined ? undefined : this.#packed.get(identity);
    if (target) return this.#emit({ ...entryOf(path, '1', stats), target });
    const blocks = this.#contents(path, file);
    if (identity !== undefined && blocks.length > 0) this.#packed.set(identity, path);
    return blocks;
  }

  #contents(path: Buffer, file: OpenFile): Buffer[] {
    if (file.stats.size > this.#limits.contents) {
      throw new Unfit(`it is larger than what a vault may hold (${this.#limits.contents} bytes)`);
    }
    const contents = file.read();
    if (contents === undefined) throw new Unfit('it kept changing while it was packed');
    const entry = { ...entryOf(path, '0', file.stats), size: contents.length };
    return this.#emit(entry, [contents, paddingOf(contents.length)]);
  }

  /** Has the entry read and judged, and gives its blocks. */
  #emit(entry: TarEntry, [contents, padding]: readonly [Buffer, Buffer] = NO_CONTENTS): Buffer[] {
    const header = encodeHeader(entry);
    const bytes = header.length + contents.length + padding.length;
    if (bytes > this.#budget) throw new Unfit('there are too many long names');
    const placement = this.#judge.judge(entry, header);
    if (placement === undefined) return [];
    this.#budget -= bytes;
    for (const body of [contents, padding]) this.#judge.follow(body);
    const { node, linkTo } = placement;
    if (node.kind === 'file' && !linkTo) node.content.hash = hash('sha256', contents, 'latin1');
    return [header, contents, padding];
  }

  #attempt(path: Buffer, pack: () => Buffer[]): Buffer[] {
    try {
      return pack();
    } catch (error) {
      // What was deleted since the directory was read is not there to be packed.
      if (errnoName(error) !== 'ENOENT') this.leftOut.push({ name: escapeName(path), reason: whyLeftOut(error) });
      return [];
    }
  }

  #read(path: Buffer): Dirent<Buffer>[] {
    const children = readdirSync(this.#at(path), { withFileTypes: true, encoding: 'buffer' });
    return children.sort((one, other) => one.name.compare(other.name));
  }

  #at(path: Buffer): Buffer {
    return this.#directory === '.' ? path : Buffer.concat([Buffer.from(`${this.#directory}/`), path]);
  }
}

/** Has judged what extraction's reader makes of an entry's header. */
class Judge implements TarSink {
  readonly #rules: EntryRules;
  #meant: TarEntry | undefined;
  #placement: Placement | undefined;
  #reader = new TarReader(this);

  constructor(rules: EntryRules) {
    this.#rules = rules;
  }

  /**
   * @param header of the entry that is meant
   * @returns undefined for what extraction would pass over: it is not to be in the archive, as what is refused
   * @throws as `EntryRules.accept`
   */
  judge(meant: TarEntry, header: Buffer): Placement | undefined {
    this.#meant = meant;
    this.#placement = undefined;
    try {
      this.#reader.push(header);
      return this.#placement;
    } finally {
      // A reader must not wait for contents that will not come.
      if (this.#placement === undefined) this.#reader = new TarReader(this);
    }
  }

  /** What comes behind the header, and behind the last of the entries. */
  follow(body: Buffer): void {
    this.#reader.push(body);
  }

  end(): void {
    this.#reader.end();
    this.#rules.finish();
  }

  entry(seen: TarEntry): void {
    const meant = this.#meant;
    const isSame =
      meant?.name.equals(seen.name) === true &&
      meant.target.equals(seen.target) &&
      meant.type === seen.type &&
      meant.mode === seen.mode &&
      meant.size === seen.size;
    if (!isSame) throw new Error('what was packed is not what is read');
    this.#placement = this.#rules.accept(seen);
  }

  data(): void {}

  entryEnd(): void {}
}

function entryOf(name: Buffer, type: string, stats: { readonly mode: number; readonly mtimeMs: number }): TarEntry {
  return { name, type, mode: stats.mode & 0o777, size: 0, mtime: Math.floor(stats.mtimeMs / 1000), target: NO_TARGET };
}

const NO_TARGET = Buffer.alloc(0);
const NO_CONTENTS = [Buffer.alloc(0), Buffer.alloc(0)] as const;

function whyLeftOut(error: unknown): string {
  if (error instanceof Unfit) return error.message;
  if (error instanceof TazpodError && error.cause instanceof Refusal) return error.cause.message;
  if (errnoName(error) === undefined) throw error;
  return errnoName(error) === 'ELOOP' ? 'it changed while it was packed' : reasonOf(error);
}
