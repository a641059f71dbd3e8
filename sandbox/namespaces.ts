// Which namespaces this machine lets us make, and so who PID 1 is in them.
// Root gets what an engine gives. Anybody else gets a user namespace: a whole one where the machine lends them
// further ids (subuid(5): PID 1 is root, the operator is they themselves), else one in which all there is is uid 1000.

import { execa } from 'execa';

import { TazpodError } from '../lib/errors.ts';

/** The operator's uid and gid, as in the image. */
export const OPERATOR_ID = 1000;

export interface Namespaces {
  /** `native`: no user namespace. `mapped`: one with root and the operator. `single`: one with the operator only. */
  readonly kind: 'native' | 'mapped' | 'single';
  /** The flags of unshare(1) that make the user namespace; none for `native`. */
  readonly userFlags: readonly string[];
}

const WHO = [`--map-user=${OPERATOR_ID}`, `--map-group=${OPERATOR_ID}`] as const;

const NATIVE: Namespaces = { kind: 'native', userFlags: [] };
const MAPPED: Namespaces = { kind: 'mapped', userFlags: ['--user', ...WHO, '--map-auto', '--setuid=0', '--setgid=0'] };
const SINGLE: Namespaces = { kind: 'single', userFlags: ['--user', ...WHO, '--keep-caps'] };

/** What stands before a program to run it as the first process of fresh namespaces; it dies with its parent. */
export function unshareCommand({ userFlags }: Namespaces): [string, ...string[]] {
  return ['unshare', ...userFlags, '--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child'];
}

/** What stands before a program to run it on this machine with the rights of the containers' root; nothing for our own. */
export function userCommand({ kind, userFlags }: Namespaces): string[] {
  return kind === 'native' ? [] : ['unshare', ...userFlags];
}

/**
 * Finds what works here, by trying it.
 * @throws TazpodError `cannot-mount` where namespaces are refused; the hint says how to go on
 */
export async function findNamespaces(): Promise<Namespaces> {
  const root = process.getuid?.() === 0;
  const least = root ? NATIVE : SINGLE;
  const refusal = await refusalOf(least);
  if (refusal === undefined) {
    // Tried only where user namespaces are allowed: unshare(1) hangs in the attempt to map ids of one that is refused.
    return root || (await refusalOf(MAPPED)) !== undefined ? least : MAPPED;
  }
  throw new TazpodError('cannot-mount', `cannot make namespaces on this machine: ${refusal}`, {
    hint: root
      ? 'run it on the machine itself, or in a container with --privileged'
      : 'run it as root (sudo npm start), allow user namespaces (sysctl kernel.unprivileged_userns_clone=1 ' +
        'kernel.apparmor_restrict_unprivileged_userns=0), or use an engine (npm run image)',
  });
}

async function refusalOf(namespaces: Namespaces): Promise<string | undefined> {
  const [file, ...flags] = unshareCommand(namespaces);
  // A fresh /proc is what is refused last: inside of containers, whose own is covered in parts.
  const trial = await execa(file, [...flags, 'mount', '-t', 'proc', 'proc', '/proc'], { reject: false });
  return trial.failed ? trial.stderr.trim() || trial.shortMessage : undefined;
}
