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
  const hmac = createHmac('sha256', key);
  addChildren(hmac, root, isUntouchedBridgeSource);
  return hmac.digest('hex');
}

function isUntouchedBridgeSource(name: string, node: Node): boolean {
  return name === AWS_NAME && node.kind === 'directory' && node.children.size === 0;
}

function addChildren(
  hmac: Hmac,
  directory: DirectoryNode,
  isLeftOut: (name: string, node: Node) => boolean = () => false,
): void {
  for (const name of [...directory.children.keys()].sort()) {
    const node = directory.children.get(name);
    if (node && !isLeftOut(name, node)) addNode(hmac, name, node);
  }
  hmac.update(LEAVE);
}

/** Every field has a fixed length or its length before it, so that no two trees give the same bytes. */
function addNode(hmac: Hmac, name: string, node: Node): void {
  const mode = node.kind === 'symlink' ? 0 : node.mode;
  const fields = Buffer.alloc(1 + 2 + 2 + name.length);
  fields.write(ENTER[node.kind], 0, 'latin1');
  fields.writeUInt16BE(mode, 1);
  fields.writeUInt16BE(name.length, 3);
  fields.write(name, 5, 'latin1');
  hmac.update(fields);
  switch (node.kind) {
    case 'file':
      hmac.update(node.content.hash, 'latin1');
      break;
    case 'symlink': {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(node.target.length);
      hmac.update(length).update(node.target);
      break;
    }
    case 'directory':
      addChildren(hmac, node);
  }
}
