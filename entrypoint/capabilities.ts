// Capabilities (capabilities(7)): which ones PID 1 has, and which it takes away from everything it starts.

import { constants } from 'node:os';

import { TazpodError, errnoName } from '../lib/errors.ts';
import { systemCall } from './native.ts';

const NUMBERS = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  FOWNER: 3,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  SYS_ADMIN: 21,
} as const;

export type Capability = keyof typeof NUMBERS;

/** What an init that hands over to another user needs of Docker's default set. */
const NEEDED_AS_ROOT: readonly Capability[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
];

const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
/** Offsets of the sets. */
const EFFECTIVE = 0;
const PERMITTED = 4;
const PR_CAPBSET_DROP = 24;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const PR_SET_NO_NEW_PRIVS = 38;

/** Whether the capability is in the main thread's effective set. */
export function hasCapability(capability: Capability): boolean {
  return ((readCapabilities().readUInt32LE(EFFECTIVE) >>> NUMBERS[capability]) & 1) === 1;
}

/**
 * Does something with a capability that we are permitted but that is not in effect (a change of the effective identity takes
 * them all out of effect); without it where we are not permitted it. Synchronous work only: it is the main thread's.
 */
export function withCapability<T>(capability: Capability, work: () => T): T {
  const before = readCapabilities();
  const after = Buffer.from(before);
  const wanted = (1 << NUMBERS[capability]) & before.readUInt32LE(PERMITTED);
  after.writeUInt32LE((before.readUInt32LE(EFFECTIVE) | wanted) >>> 0, EFFECTIVE);
  systemCall('capset', capabilityHeader(), after);
  try {
    return work();
  } finally {
    systemCall('capset', capabilityHeader(), before);
  }
}

/** The main thread's sets: two of {effective, permitted, inheritable}, 32 bits each; ours are all in the first (capget(2)). */
function readCapabilities(): Buffer {
  const data = Buffer.alloc(24);
  systemCall('capget', capabilityHeader(), data);
  return data;
}

function capabilityHeader(): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(LINUX_CAPABILITY_VERSION_3);
  return header;
}

/**
 * Makes sure that root can become the operator, and signal and serve its processes.
 * @throws TazpodError `configuration` that names the missing ones' flags: going on would mean a root shell, or an init
 *   that cannot forward a signal
 */
export function requireCapabilities(): void {
  const missing = NEEDED_AS_ROOT.filter((capability) => !hasCapability(capability));
  if (missing.length === 0) return;
  throw new TazpodError(
    'configuration',
    `cannot serve the operator as root without ${missing.map((name) => `CAP_${name}`).join(', ')}`,
    {
      hint: `add ${missing.map((name) => `--cap-add ${name}`).join(' ')} to docker run (cap_add in compose), or start as the operator with --user`,
    },
  );
}

/**
 * Takes CAP_SYS_ADMIN from everything that is started from now on: out of the bounding set, which binds at execve(2)
 * and leaves what PID 1 itself has; and no capability passes by way of the ambient set.
 */
export function confineChildren(): void {
  systemCall('prctl', PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  if (hasCapability('SETPCAP')) systemCall('prctl', PR_CAPBSET_DROP, NUMBERS.SYS_ADMIN);
  // Not as root: there is nothing to inherit, unless by a set-user-ID program.
  else if (hasCapability('SYS_ADMIN')) systemCall('prctl', PR_SET_NO_NEW_PRIVS, 1);
}

/** ECAPMODE of mount calls: which errno says that a capability (or AppArmor, or seccomp) forbade it. */
export function isForbidden(error: unknown): boolean {
  const name = errnoName(error);
  return (
    name === 'EPERM' ||
    name === 'EACCES' ||
    (error instanceof Error && 'errno' in error && error.errno === constants.errno.ENOSYS)
  );
}
