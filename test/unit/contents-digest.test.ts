// What tells contents from others: the digest and the totals have to agree on what counts, for a save goes by the totals first.

import * as fc from 'fast-check';
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';

import { contentsOf, totalsOf } from '../../lib/contents-digest.ts';
import { newDirectory, type Content, type DirectoryNode, type FileNode, type Node } from '../../lib/tree.ts';

const key = Buffer.alloc(32, 7);

function content(bytes: string): Content {
  return { size: bytes.length, hash: createHash('sha256').update(bytes).digest('latin1'), names: 1 };
}

function file(bytes: string, mode = 0o644): FileNode {
  return { kind: 'file', mode, content: content(bytes) };
}

function directory(children: Readonly<Record<string, Node>> = {}): DirectoryNode {
  const node = newDirectory(0o755);
  for (const [name, child] of Object.entries(children)) node.children.set(name, child);
  return node;
}

/** So few that two of them are often the same. */
const { tree } = fc.letrec<{ tree: DirectoryNode; node: Node }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('', 'x', 'y', 'longer').map((bytes) => file(bytes)),
    fc.constantFrom('a', 'b').map((target) => ({ kind: 'symlink' as const, target: Buffer.from(target) })),
    tie('tree'),
  ),
  tree: fc.dictionary(fc.constantFrom('.aws', 'a', 'b'), tie('node'), { maxKeys: 3 }).map(directory),
}));

test('where the digest is the same, so are the totals', () => {
  fc.assert(
    fc.property(tree, tree, (one, other) => {
      const [first, second] = [contentsOf(one, key), contentsOf(other, key)];
      expect(first.digest === second.digest ? first : undefined).toEqual(
        first.digest === second.digest ? second : undefined,
      );
    }),
    { numRuns: 3000 },
  );
});

/** The same contents: in another order, of another time, and every file with contents of its own. */
function likeIt({ children }: DirectoryNode): DirectoryNode {
  const like = newDirectory(0o755, 1);
  for (const [name, node] of [...children].toReversed()) {
    if (node.kind === 'directory') like.children.set(name, likeIt(node));
    else like.children.set(name, node.kind === 'file' ? { ...node, content: { ...node.content } } : node);
  }
  return like;
}

test('neither tells the order, times, or a hard link from a copy', () => {
  fc.assert(
    fc.property(tree, (one) => {
      const [first] = [...one.children.values()].filter((node) => node.kind === 'file');
      if (first) one.children.set('link', first);
      expect(contentsOf(likeIt(one), key)).toEqual(contentsOf(one, key));
    }),
    { numRuns: 1000 },
  );
});

test('an empty .aws at the top counts for nothing, and elsewhere, or with something in it, for an entry', () => {
  expect(contentsOf(directory({ '.aws': directory() }), key)).toEqual(contentsOf(directory(), key));
  expect(totalsOf(directory({ '.aws': directory({ config: file('x') }) }))).toEqual({ entries: 2, bytes: 1 });
  expect(totalsOf(directory({ a: directory({ '.aws': directory() }) }))).toEqual({ entries: 2, bytes: 0 });
  expect(totalsOf(directory({ '.aws': file('') }))).toEqual({ entries: 1, bytes: 0 });
});

test('totals count every name, links too, and the bytes of all files, hard links by each name', () => {
  const linked = file('12345');
  const link = { kind: 'symlink', target: Buffer.from('a') } as const;
  expect(totalsOf(directory({ a: linked, d: directory({ b: linked, c: file('1') }), l: link }))).toEqual({
    entries: 5,
    bytes: 11,
  });
});
