// A tree of files in memory, as an archive will make it or as a walk has found it: what the rules for entries and the
// digest of the contents work on. Names are bytes, kept as latin1 strings: one character is one byte, and the order is theirs.

/** What a file holds; shared by hard links. */
export interface Content {
  readonly size: number;
  /** SHA-256, bytes kept as names are; empty until the file has been read to its end. */
  hash: string;
  /** Names in the tree that share it. */
  names: number;
}

export interface DirectoryNode {
  readonly kind: 'directory';
  /** Permission bits. */
  mode: number;
  mtime: number | undefined;
  readonly children: Map<string, Node>;
}

export interface FileNode {
  readonly kind: 'file';
  readonly mode: number;
  readonly content: Content;
}

export interface SymlinkNode {
  readonly kind: 'symlink';
  readonly target: Buffer;
}

export type Node = DirectoryNode | FileNode | SymlinkNode;

/** Permission bits: setuid, setgid and the sticky bit never travel. */
export const PERMISSION_BITS = 0o777;

/** A directory with nothing in it yet. */
export function newDirectory(mode: number, mtime?: number): DirectoryNode {
  return { kind: 'directory', mode: mode & PERMISSION_BITS, mtime, children: new Map() };
}

/** The components of a relative name as keys of the tree; empty ones and `.` are no components. */
export function componentsOf(name: Buffer): string[] {
  const components = name.toString('latin1').split('/');
  return components.every(isComponent) ? components : components.filter(isComponent);
}

function isComponent(text: string): boolean {
  return text !== '' && text !== '.';
}

/** The name made of components: its bytes, kept as theirs are. */
export function nameOf(components: readonly string[]): string {
  return components.join('/');
}
