// How PID 1 is started, as the two shell functions that `enter` calls at its end: `prepare` and `launch`.
// A script, because it carries any bytes: Node's own spawn would turn arguments that are not UTF-8 into others.
// The shell itself would drop variables with odd names: env(1) sets the environment behind it, exactly as given.

import type { Namespaces } from './namespaces.ts';

/** A string as UTF-8, or the bytes themselves; no NUL in either. */
export type Bytes = string | Uint8Array;

/** What Docker gives by default, and what mounting needs (`--cap-add SYS_ADMIN`). */
export const CAPABILITIES: readonly string[] = (
  'chown dac_override fowner fsetid kill setgid setuid setpcap setfcap ' +
  'net_bind_service net_raw sys_chroot mknod audit_write sys_admin'
).split(' ');

export interface Launch {
  /** The init's arguments, the program first: an absolute path, or a name to be found on the environment's PATH. */
  readonly command: readonly Bytes[];
  /** The whole environment. */
  readonly environment?: Readonly<Record<string, Bytes>>;
  /** More of it, as `NAME=VALUE`: for names that are not UTF-8. */
  readonly rawEnvironment?: readonly Uint8Array[];
  /** An absolute path in the container; `/` unless given. */
  readonly directory?: string;
  /** Descriptors 0, 1, 2 are a terminal that becomes the controlling one. */
  readonly terminal?: boolean;
  /** The bounding set, without `cap_`; CAPABILITIES unless given. */
  readonly capabilities?: readonly string[];
  /** Who PID 1 is (`docker run --user`), by uid and gid; root unless given. */
  readonly user?: number;
  /** `--security-opt no-new-privileges`. */
  readonly noNewPrivileges?: boolean;
  /** Shell lines that root runs in the container, with every capability, before PID 1: mounts of the engine's, and the like. */
  readonly prepare?: string;
}

/** The contents of a bundle's `launch`; `redirections` are what the shell does to the descriptors last. */
export function launchScript(launch: Launch, redirections: readonly string[], { kind }: Namespaces): Buffer {
  const environment = [
    ...Object.entries(launch.environment ?? {}).map(([name, value]) =>
      Buffer.concat([toBytes(`${name}=`), toBytes(value)]),
    ),
    ...(launch.rawEnvironment ?? []),
  ];
  return Buffer.concat([
    toBytes(
      `prepare() {\n:\n${launch.prepare ?? ''}\n}\nlaunch() {\ncd ${quote(launch.directory ?? '/').toString()}\nexec`,
    ),
    ...words(['setpriv', ...privileges(launch, kind), '--']),
    ...words(['env', '-i', '--', ...environment]),
    // An engine's PID 1 leads a session of its own, with a terminal or without.
    ...words(['/usr/bin/setsid', ...(launch.terminal ? ['-c'] : []), '--', ...launch.command]),
    toBytes(` ${redirections.join(' ')}\n}\n`),
  ]);
}

function privileges(
  { capabilities = CAPABILITIES, user, noNewPrivileges }: Launch,
  kind: Namespaces['kind'],
): string[] {
  const set = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
  return [
    // Not root, and yet to have capabilities: they must be ambient (capabilities(7)), as `unshare --keep-caps` made them.
    ...(kind === 'single' ? [`--inh-caps=${set}`, `--ambient-caps=${set}`] : []),
    `--bounding-set=${set}`,
    ...(user === undefined || kind === 'single' ? [] : [`--reuid=${user}`, `--regid=${user}`, '--clear-groups']),
    ...(noNewPrivileges ? ['--no-new-privs'] : []),
  ];
}

function words(list: readonly Bytes[]): Buffer[] {
  return list.flatMap((word) => [toBytes(' '), quote(word)]);
}

function quote(word: Bytes): Buffer {
  // Within single quotes every byte but the quote itself means itself; latin1 keeps bytes apart.
  return Buffer.from(`'${toBytes(word).toString('latin1').replaceAll("'", "'\\''")}'`, 'latin1');
}

function toBytes(bytes: Bytes): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
