// The digest of a tree's contents, by which a save knows without writing whether anything changed. It covers every name,
// type, permission bits, contents and link target; not times (a `touch` needs no save), owners, or which names are hard
// links of one file. Extraction, checking and packing of the same tree give the same digest.
// An empty .aws counts for nothing: every unlock makes one for the bridge, and that alone needs no save either.
// It is keyed: without the passphrase it tells nothing about the contents, however well they can be guessed.
// Beside it stand totals of the very same nodes. They are no secret, since a vault's size tells about as much, and need no key:
// trees whose totals differ have surely different contents.

import { createHmac, type Hmac } from 'node:crypto';

import { AWS_NAME } from './paths.ts';
import type { DirectoryNode, Node } from './tree.ts';

const ENTER = { directory: 'd', file: 'f', symlink: 'l' } as const;
const LEAVE = 'e';

export interface Totals {
  /** Names: files, directories and links. Not what an archive counts: no untouched .aws, no passed-over entries. */
  readonly entries: number;
  /** Bytes of all files, those of hard links by each name, for the digest does not tell a link from a copy. */
  readonly bytes: number;
}

export interface Contents extends Totals {
  /** Hex. */
  readonly digest: string;
}

/** @param key from `digestKeyOf` */
export function contentsOf(root: DirectoryNode, key: Buffer): Contents {
  return { ...totalsOf(root), digest: digestTree(root, key) };
}

export function totalsOf(root: DirectoryNode): Totals {
  const totals = { entries: 0, bytes: 0 };
  addTo(totals, root, isUntouchedBridgeSource);
  return totals;
}

function addTo(totals: { entries: number; bytes: number }, { children }: DirectoryNode, isLeftOut = keepsAll): void {
  for (const [name, node] of children) {
    if (isLeftOut(name, node)) continue;
    totals.entries += 1;
    if (node.kind === 'file') totals.bytes += node.content.size;
    else if (node.kind === 'directory') addTo(totals, node);
  }
}

/**
 * HMAC-SHA256 over the tree in the order of its names' bytes, as hex.
 * @param key from `digestKeyOf`
 */
export function digestTree(root: DirectoryNode, key: Buffer): string {
  const digest = new Digest(key);
  digest.addChildren(root, isUntouchedBridgeSource);
  return digest.hex();
}

function isUntouchedBridgeSource(name: string, node: Node): boolean {
  return name === AWS_NAME && node.kind === 'directory' && node.children.size === 0;
}

function keepsAll(_name: string, _node: Node): boolean {
  return false;
}

/** More than the longest name and link target together. */
const ROOM_BYTES = 64 * 1024;

class Digest {
  readonly #hmac: Hmac;
  /** What comes is gathered here: to tell OpenSSL of each node takes longer than to hash it. */
  readonly #room = Buffer.allocUnsafe(ROOM_BYTES);
  #filled = 0;

  constructor(key: Buffer) {
    this.#hmac = createHmac('sha256', key);
  }

  addChildren({ children }: DirectoryNode, isLeftOut = keepsAll): void {
    for (const name of [...children.keys()].sort()) {
      const node = children.get(name);
      if (node && !isLeftOut(name, node)) this.#addNode(name, node);
    }
    this.#addText(LEAVE);
  }

  hex(): string {
    this.#flush();
    return this.#hmac.digest('hex');
  }

  /** Every field has a fixed length or its length before it, so that no two trees give the same bytes. */
  #addNode(name: string, node: Node): void {
    this.#addText(ENTER[node.kind]);
    this.#addNumber(node.kind === 'symlink' ? 0 : node.mode);
    this.#addNumber(name.length);
    this.#addText(name);
    switch (node.kind) {
      case 'file':
        this.#addText(node.content.hash);
        break;
      case 'symlink':
        this.#addNumber(node.target.length);
        this.#addText(node.target.toString('latin1'));
        break;
      case 'directory':
        this.addChildren(node);
    }
  }

  #addText(bytes: string): void {
    if (this.#filled + bytes.length > ROOM_BYTES) this.#flush();
    this.#filled += this.#room.write(bytes, this.#filled, 'latin1');
  }

  #addNumber(value: number): void {
    if (this.#filled + 2 > ROOM_BYTES) this.#flush();
    this.#filled = this.#room.writeUInt16BE(value, this.#filled);
  }

  #flush(): void {
    this.#hmac.update(this.#room.subarray(0, this.#filled));
    this.#filled = 0;
  }
}
