// What the parts' texts ask their `require` for beside Node's modules: bundle.ts and parts.ts write that
// into them, and program.ts answers.

/** For `constants` of node:os. */
export const SYSTEM_CONSTANTS = 'node:os constants';

/** For a module of another part. */
export function requestOf(part: string, module: string): string {
  return `#${part}/${module}`;
}

/** What `requestOf` made the request of; undefined where no module of a part is asked for. */
export function moduleAskedFor(request: string): { readonly part: string; readonly module: string } | undefined {
  if (!request.startsWith('#')) return undefined;
  const slash = request.indexOf('/');
  return { part: request.slice(1, slash), module: request.slice(slash + 1) };
}
