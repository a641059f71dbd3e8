// The digest of a tree's contents, by which a save knows without writing whether anything changed. It covers every name,
// type, permission bits, contents and link target; not times (a `touch` needs no save), owners, or which names are hard
// links of one file. Extraction, checking and packing of the same tree give the same digest.
// An empty .aws counts for nothing: every unlock makes one for the bridge, and that alone needs no save either.
// It is keyed: without the passphrase it tells nothing about the contents, however well they can be guessed.

import { createHmac, type Hmac } from 'node:crypto';

import { AWS_NAME } from './paths.ts';
import type { DirectoryNode, Node } from './tree.ts';

const ENTER = { directory: 'd', file: 'f', symlink: 'l' } as const;
const LEAVE = 'e';

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

  addChildren({ children }: DirectoryNode, isLeftOut: (name: string, node: Node) => boolean = () => false): void {
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
