// A sandbox whose image has hooks. Its /etc is the machine's: theirs is laid over it before PID 1 starts.

import type { Sandbox } from './sandbox.ts';

/** What the image has in /etc beside the machine's own, as it lies in the container's root until it is shown. */
export const IMAGE = '/var/image';
export const HOOKS = `${IMAGE}/tazpod/hooks`;

/** Shell lines that show it, for `prepare`. */
export const SHOW_HOOKS = `
  cp -p /etc/passwd /etc/group /etc/shadow ${IMAGE}
  mount -t overlay -o lowerdir=${IMAGE}:/etc overlay /etc
`;

/** By name, such as `unlocked.d/10-first`: a shell script, or one with a mode of its own. */
export type HookFiles = Readonly<Record<string, string | { readonly text: string; readonly mode: number }>>;

/** Puts hooks into a sandbox that has not started yet. */
export async function placeHooks({ bundle }: Sandbox, hooks: HookFiles): Promise<void> {
  for (const [name, hook] of Object.entries(hooks)) {
    const { text, mode } = typeof hook === 'string' ? { text: hook, mode: 0o755 } : hook;
    await bundle.place(`${HOOKS}/${name}`, text, mode);
  }
}
