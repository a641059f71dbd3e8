// What the parts' texts ask their `require` for beside Node's modules: a text is written by bundle.ts, and answered by program.ts.

/** For `constants` of node:os. */
export const SYSTEM_CONSTANTS = 'node:os constants';

/** For a module of another part. */
export function requestOf(part: string, module: string): string {
  return `#${part}/${module}`;
}

/** @returns undefined where no module of a part was asked for */
export function partOf(request: string): { readonly part: string; readonly module: string } | undefined {
  if (!request.startsWith('#')) return undefined;
  const slash = request.indexOf('/');
  return { part: request.slice(1, slash), module: request.slice(slash + 1) };
}
