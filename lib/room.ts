// How much of a tmpfs a tree takes: whole pages for what files hold, nothing for directories, names and empty files.

import type { DirectoryNode, Node } from './tree.ts';

/** Of Linux on x64, and on arm64 as distributions build it. */
const PAGE = 4096;

/** The longest target, in bytes, of a symbolic link that takes no page: SHORT_SYMLINK_LEN of mm/shmem.c, less its final NUL. */
const LONGEST_FREE_TARGET = 127;

/** Bytes of the tmpfs that the tree needs; hard links share theirs. */
export function roomOf(root: DirectoryNode): number {
  const files = new Set<object>();
  const ofNode = (node: Node): number => {
    switch (node.kind) {
      case 'directory':
        return node.children.values().reduce((sum, child) => sum + ofNode(child), 0);
      case 'symlink':
        return node.target.length > LONGEST_FREE_TARGET ? PAGE : 0;
      case 'file':
        if (files.has(node.content)) return 0;
        files.add(node.content);
        return Math.ceil(node.content.size / PAGE) * PAGE;
    }
  };
  return ofNode(root);
}
