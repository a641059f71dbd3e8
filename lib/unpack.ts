// The way from a tar.gz to a judged tree: decompress, read entries, apply the rules, hash contents, and hand each accepted
// entry to whoever wants it. Extraction, check and listing differ only in what they do with it.

import { createHash, hash, type Hash } from 'node:crypto';

import { type Contents, contentsOf } from './contents-digest.ts';
import { EntryRules, type Placement } from './entry-rules.ts';
import { gunzip } from './gunzip.ts';
import { streamBudget, type ArchiveLimits } from './limits.ts';
import type { Progress } from './progress.ts';
import { TarReader, type TarEntry, type TarSink } from './tar-reader.ts';
import type { Content, DirectoryNode } from './tree.ts';

export interface Extracted {
  /** Files, directories and links, parents that had to be made included. */
  readonly entries: number;
  /** Bytes of contents. */
  readonly bytes: number;
  /** What tells them from others: see contents-digest.ts. Undefined where no digest was asked for. */
  readonly contents: Contents | undefined;
}

/** What becomes of accepted entries. Pieces are valid during the call only. */
export interface Destination {
  place(placement: Placement, mtime: number | undefined): void;
  write(piece: Buffer): void;
  endFile(): void;
  /** All entries are there, and the archive has been read to its end without fault. */
  finishDirectories(root: DirectoryNode): void;
}

export interface UnpackOptions {
  readonly limits: ArchiveLimits;
  /** From `digestKeyOf`; without it contents are not digested, which takes as long as to write them. */
  readonly digestKey?: Buffer;
  /** Told of the archive's bytes. */
  readonly progress?: Progress | undefined;
}

/**
 * Reads a whole archive under the rules.
 * @throws TazpodError `malformed-archive`, `refused-entry`, `too-big`, and what the destination throws
 */
export async function unpack(
  tarGz: Buffer,
  options: UnpackOptions & { readonly destination: Destination },
): Promise<Extracted> {
  const { digestKey, progress } = options;
  const rules = new EntryRules(options.limits);
  const reader = new TarReader(new Unpacker(rules, options.destination, digestKey !== undefined));
  for await (const piece of gunzip(tarGz, streamBudget(options.limits), progress)) reader.push(piece);
  reader.end();
  rules.finish();
  options.destination.finishDirectories(rules.root);
  const contents = digestKey && contentsOf(rules.root, digestKey);
  return { entries: rules.entries, bytes: rules.bytes, contents };
}

const HASH = 'sha256';

class Unpacker implements TarSink {
  readonly #rules: EntryRules;
  readonly #destination: Destination;
  readonly #hashes: boolean;
  /** The file whose contents come next; undefined while those of a passed-over entry do. */
  #content: Content | undefined;
  #hash: Hash | undefined;

  /** @param hashes whether files get the hashes of their contents */
  constructor(rules: EntryRules, destination: Destination, hashes: boolean) {
    this.#rules = rules;
    this.#destination = destination;
    this.#hashes = hashes;
  }

  entry(entry: TarEntry): void {
    const placement = this.#rules.accept(entry);
    if (placement === undefined) return;
    this.#destination.place(placement, entry.mtime);
    if (placement.node.kind === 'file' && !placement.linkTo) this.#content = placement.node.content;
  }

  data(piece: Buffer): void {
    const content = this.#content;
    if (content === undefined) return;
    this.#destination.write(piece);
    if (!this.#hashes) return;
    // Most files come in one piece: hashing that at once costs a fraction of setting up a Hash.
    if (piece.length === content.size) content.hash = hash(HASH, piece, 'latin1');
    else this.#hash = (this.#hash ?? createHash(HASH)).update(piece);
  }

  entryEnd(): void {
    const content = this.#content;
    if (content === undefined) return;
    if (this.#hash) content.hash = this.#hash.digest('latin1');
    else if (content.size === 0 && this.#hashes) content.hash = hash(HASH, '', 'latin1');
    this.#content = this.#hash = undefined;
    this.#destination.endFile();
  }
}
