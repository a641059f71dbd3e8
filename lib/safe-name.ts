// Names and link targets out of an archive, read as plain bytes: which of them stay inside whatever the tree looks like.
// `..` is refused in names altogether, and in targets where it leads above the top.

import { Refusal } from './refusal.ts';
import { componentsOf } from './tree.ts';

/** Linux: longest name of a file, and longest path or link target less its NUL. */
const NAME_MAX = 255;
const PATH_MAX = 4095;

const SLASH = 0x2f;

/**
 * The components of a name that stays inside; none for the top directory itself.
 * @param what the subject of a refusal
 * @throws Refusal
 */
export function safeComponents(name: Buffer, what: string): string[] {
  if (name.length === 0) throw new Refusal(`${what} is empty`);
  if (name.includes(0)) throw new Refusal(`${what} holds a NUL`);
  if (name[0] === SLASH) throw new Refusal(`${what} is absolute`);
  const components = componentsOf(name);
  let length = -1;
  let longest = 0;
  for (const component of components) {
    if (component === '..') throw new Refusal(`${what} leads out`);
    length += component.length + 1;
    longest = Math.max(longest, component.length);
  }
  if (length > PATH_MAX || longest > NAME_MAX) throw new Refusal(`${what} is too long`);
  return components;
}

/** Whether a path, of which everything before `from` is safe and ends with a slash, goes on with one component that is safe, too. */
export function isSafeChild(path: string, from: number): boolean {
  const length = path.length - from;
  if (length === 0 || length > NAME_MAX || path.length > PATH_MAX) return false;
  if (path.includes('/', from) || path.includes('\0', from)) return false;
  return !(path[from] === '.' && (length === 1 || (length === 2 && path[from + 1] === '.')));
}

/**
 * Refuses the target of a symbolic link that leaves the tree when its components are taken for directories.
 * @param depth of the directory that the link is in: 0 for the top
 * @throws Refusal
 */
export function checkTarget(target: Buffer, depth: number): void {
  if (target.length === 0) throw new Refusal('it is a link to nothing');
  if (target.length > PATH_MAX) throw new Refusal('its target is too long');
  if (target.includes(0)) throw new Refusal('its target holds a NUL');
  if (target[0] === SLASH) throw new Refusal('it is a link to an absolute path');
  let level = depth;
  for (const component of componentsOf(target)) {
    level += component === '..' ? -1 : 1;
    if (level < 0) throw new Refusal('it is a link that leads out');
  }
}

/** Whether a link's target goes down and up again: `../a` does not, `a/../b` does. */
export function isWinding(target: Buffer): boolean {
  const components = componentsOf(target);
  const firstDown = components.findIndex((component) => component !== '..');
  return firstDown !== -1 && components.includes('..', firstDown);
}
