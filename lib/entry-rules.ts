// What an archive may make, decided entry by entry in memory before anything is written. Extraction, listing, the check
// of what a save wrote, and packing all ask here: whatever save writes, unlock opens.
// The invariant: every parent on the way to an entry is a directory that the same archive made, never a link, so no
// write goes through one; and no symbolic link, nor any chain of them, leads out of the tree.

import type { ArchiveLimits } from './limits.ts';
import { AWS_NAME, PASSPHRASE_CACHE_NAME } from './paths.ts';
import { naming, Refusal, tooBig } from './refusal.ts';
import { checkTarget, isWinding, isSafeChild, safeComponents } from './safe-name.ts';
import type { TarEntry } from './tar-reader.ts';
import {
  componentsOf,
  nameOf,
  newDirectory,
  PERMISSION_BITS,
  type DirectoryNode,
  type Node,
  type SymlinkNode,
} from './tree.ts';

/** Mode of parents that the archive does not name. */
const PARENT_MODE = 0o755;

/** Where an accepted entry goes, and what must happen there. Paths are relative and made of plain names, as the tree has them. */
export interface Placement {
  readonly path: string;
  readonly node: Node;
  /** Parents that the archive did not name, from the top: to be made first. */
  readonly parents: readonly string[];
  /** What stood there before, by an earlier entry of the same name: to be removed first, unless both are directories. */
  readonly replaces: Node['kind'] | undefined;
  /** The file that a hard link is another name of. */
  readonly linkTo: string | undefined;
}

/** A symbolic link whose target goes down and up again: what it means depends on the whole tree. */
interface WindingLink {
  readonly name: Buffer;
  readonly components: readonly string[];
  readonly node: SymlinkNode;
}

/** A directory, and what the paths of its entries begin with. */
interface Place {
  readonly prefix: string;
  readonly directory: DirectoryNode;
}

const NO_PARENTS: readonly string[] = [];

export class EntryRules {
  /** The tree as the entries accepted so far make it. */
  readonly root: DirectoryNode = newDirectory(0o700);
  readonly #limits: ArchiveLimits;
  readonly #windingLinks: WindingLink[] = [];
  /** Where the last file went: those of one directory come in a row. It stays there, since it is not empty. */
  #latest: Place | undefined;
  #entries = 0;
  #bytes = 0;

  constructor(limits: ArchiveLimits) {
    this.#limits = limits;
  }

  /** Entries so far, parents that had to be made included. */
  get entries(): number {
    return this.#entries;
  }

  /** Bytes of contents that the tree holds; hard links count once. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Judges the next entry and adds it to the tree. A refused entry, which only packing survives, does not count.
   * @returns undefined for an entry that is passed over: the top directory itself, and a passphrase cache
   * @throws TazpodError `refused-entry` or `too-big`, naming the entry; its `cause` is the `Refusal`
   */
  accept(entry: TarEntry): Placement | undefined {
    const before = this.#entries;
    try {
      return this.#place(entry);
    } catch (error) {
      this.#entries = before;
      throw naming(entry.name, error);
    }
  }

  /**
   * Judges what can only be judged when all entries are there.
   * @throws TazpodError `refused-entry`
   */
  finish(): void {
    for (const { name, components, node } of this.#windingLinks) {
      if (this.#find(components) !== node) continue;
      try {
        this.#refuseIfItWindsThroughLinks(components, node);
      } catch (error) {
        throw naming(name, error);
      }
    }
  }

  /**
   * For packing: takes the links that `finish` would refuse out of the tree again.
   * @returns why, by the link's name as latin1
   */
  withdrawUnsafeLinks(): Map<string, Refusal> {
    const refusals = new Map<string, Refusal>();
    for (const { components, node } of this.#windingLinks) {
      try {
        this.#refuseIfItWindsThroughLinks(components, node);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refusals.set(components.join('/'), error);
      }
    }
    // Only now: each was judged among all of the others, so that none of those that stay depends on one that goes.
    for (const name of refusals.keys()) {
      this.#withdraw(name.split('/'));
      this.#entries -= 1;
    }
    return refusals;
  }

  #withdraw(components: readonly string[]): void {
    const directory = this.#find(components.slice(0, -1));
    if (directory?.kind === 'directory') directory.children.delete(components.at(-1) ?? '');
  }

  /** A new file beside the last one: of its name only the last component is new. */
  #placeBeside(entry: TarEntry): Placement | undefined {
    const latest = this.#latest;
    if (latest === undefined || entry.type !== '0') return undefined;
    const path = entry.name.toString('latin1');
    const { prefix, directory } = latest;
    if (!path.startsWith(prefix) || !isSafeChild(path, prefix.length)) return undefined;
    const last = path.slice(prefix.length);
    if (directory.children.has(last)) return undefined;
    const node = this.#newNode(entry, undefined);
    this.#add(node);
    directory.children.set(last, node);
    return { path, node, parents: NO_PARENTS, replaces: undefined, linkTo: undefined };
  }

  #place(entry: TarEntry): Placement | undefined {
    this.#count(1);
    const beside = this.#placeBeside(entry);
    if (beside) return beside;
    const components = safeComponents(entry.name, 'its name');
    if (components[0] === PASSPHRASE_CACHE_NAME) return undefined;
    refuseSpecial(entry.type);
    const last = components.at(-1);
    if (last === undefined) {
      if (entry.type !== '5') throw new Refusal('it would replace the top directory');
      return undefined;
    }
    if (components.length === 1 && last === AWS_NAME && entry.type !== '5') {
      throw new Refusal('it must be a directory');
    }
    const path = nameOf(components);
    const hardLink = entry.type === '1' ? this.#hardLinkTarget(entry.target) : undefined;
    if (hardLink?.path === path) return undefined;
    const parents: string[] = [];
    const directory = this.#parentOf(components, parents);
    const existing = directory.children.get(last);
    const node = hardLink?.node ?? this.#newNode(entry, existing);
    if (node.kind === 'file' && node === existing) return undefined;
    if (node.kind === 'symlink') {
      checkTarget(node.target, components.length - 1);
      if (isWinding(node.target)) this.#windingLinks.push({ name: Buffer.from(entry.name), components, node });
    }
    if (existing && existing !== node) this.#remove(existing);
    this.#add(node);
    directory.children.set(last, node);
    if (node.kind === 'file' && components.length > 1) {
      this.#latest = { prefix: path.slice(0, -last.length), directory };
    }
    const linkTo = node.kind === 'file' ? hardLink?.path : undefined;
    return { path, node, parents, replaces: existing?.kind, linkTo };
  }

  #newNode(entry: TarEntry, existing: Node | undefined): Node {
    switch (entry.type) {
      case '5':
        if (existing?.kind !== 'directory') return newDirectory(entry.mode, entry.mtime);
        existing.mode = entry.mode & PERMISSION_BITS;
        existing.mtime = entry.mtime;
        return existing;
      case '2':
        return { kind: 'symlink', target: Buffer.from(entry.target) };
      default:
        return {
          kind: 'file',
          mode: entry.mode & PERMISSION_BITS,
          content: { size: entry.size, hash: '', names: 0 },
        };
    }
  }

  /** The directory that an entry goes to; makes what is missing on the way. */
  #parentOf(components: readonly string[], made: string[]): DirectoryNode {
    let directory = this.root;
    for (let index = 0; index < components.length - 1; index++) {
      const component = components[index] ?? '';
      let next = directory.children.get(component);
      if (next === undefined) {
        this.#count(1);
        next = newDirectory(PARENT_MODE);
        directory.children.set(component, next);
        made.push(nameOf(components.slice(0, index + 1)));
      }
      if (next.kind === 'symlink') throw new Refusal('it would be written through a symbolic link');
      if (next.kind === 'file') throw new Refusal('its parent is not a directory');
      directory = next;
    }
    return directory;
  }

  #remove(node: Node): void {
    if (node.kind === 'directory' && node.children.size > 0) {
      throw new Refusal('it would replace a directory that is not empty');
    }
    if (node.kind !== 'file') return;
    node.content.names -= 1;
    if (node.content.names === 0) this.#bytes -= node.content.size;
  }

  #add(node: Node): void {
    if (node.kind !== 'file') return;
    const bytes = node.content.names === 0 ? node.content.size : 0;
    if (this.#bytes + bytes > this.#limits.contents) {
      throw tooBig(`with it the contents are more than ${this.#limits.contents} bytes`);
    }
    this.#bytes += bytes;
    node.content.names += 1;
  }

  #count(entries: number): void {
    this.#entries += entries;
    if (this.#entries > this.#limits.entries) throw tooBig(`it is one of more than ${this.#limits.entries} entries`);
  }

  #hardLinkTarget(target: Buffer): { readonly node: Node; readonly path: string } {
    const components = safeComponents(target, 'its target');
    const node = this.#find(components);
    if (node === undefined || node.kind === 'directory') {
      throw new Refusal('it is a hard link to what is no file of the archive before it');
    }
    // A hard link to a symbolic link is a second symbolic link, which must be safe in its own place.
    return { node: node.kind === 'symlink' ? { ...node } : node, path: nameOf(components) };
  }

  #find(components: readonly string[]): Node | undefined {
    let node: Node | undefined = this.root;
    for (const component of components) {
      node = node?.kind === 'directory' ? node.children.get(component) : undefined;
    }
    return node;
  }

  /** `x/..` is the place it looks like only if `x` is no link: then plain names tell where the target is. */
  #refuseIfItWindsThroughLinks(components: readonly string[], node: SymlinkNode): void {
    const target = componentsOf(node.target);
    const lastUp = target.lastIndexOf('..');
    const here = components.slice(0, -1);
    for (const component of target.slice(0, lastUp)) {
      if (component === '..') here.pop();
      else here.push(component);
      if (this.#find(here)?.kind === 'symlink') throw new Refusal('it is a link that leads out through another link');
    }
  }
}

function refuseSpecial(type: string): void {
  if (type === '3' || type === '4') throw new Refusal('it is a device');
  if (type === '6') throw new Refusal('it is a fifo');
}
