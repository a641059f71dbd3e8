// What the engine lets PID 1 do: capabilities (capabilities(7)), and the privileges that a process can no longer gain.
// Looked up in PID 1's own /proc/1/status: a `docker exec` has a set of its own, which says nothing.

import { ENCLAVE } from '../../lib/paths.ts';
import { flags, ok, problem, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

const SYS_ADMIN = 21;
/** What tazpod-entrypoint, as root, does not start without. */
const NEEDED = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  FOWNER: 3,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
} as const;

/** How an engine mounts the enclave for us. */
export function engineMount({ operator: { uid, gid } }: Machine): readonly [string, string] {
  const mount = `${ENCLAVE}:size=64m,mode=0700,uid=${uid},gid=${gid}`;
  return flags(`--tmpfs ${mount}`, `tmpfs: ['${mount}']`);
}

export const MAY_MOUNT = flags(
  '--cap-add SYS_ADMIN --security-opt apparmor=unconfined',
  "cap_add: [SYS_ADMIN], security_opt: ['apparmor=unconfined']",
);

/** Whether the engine mounted the enclave itself: then nothing of ours needs to. */
export function isGivenByEngine(machine: Machine): boolean {
  const mount = machine.mountAt(ENCLAVE);
  return mount?.fileSystem === 'tmpfs' && mount.source !== OWN_SOURCE;
}

/** The name that PID 1 gives its tmpfs, where others have `tmpfs`. */
const OWN_SOURCE = 'tazpod';

export function checkCapabilities(machine: Machine): Finding {
  const { init, initUid } = machine;
  // Permitted, not effective: for moments PID 1 has the operator's identity, and comes back.
  const set = BigInt(`0x${init.status.get('CapPrm') ?? '0'}`);
  const has = (capability: number) => ((set >> BigInt(capability)) & 1n) === 1n;
  const byEngine = isGivenByEngine(machine);

  if (initUid === 0) {
    const missing = Object.entries(NEEDED).flatMap(([name, number]) => (has(number) ? [] : [name]));
    if (missing.length > 0) {
      return problem(
        'configuration',
        `PID 1 is root without ${missing.map((name) => `CAP_${name}`).join(', ')}: tazpod-entrypoint does not start like that`,
        ...flags(missing.map((name) => `--cap-add ${name}`).join(' '), `cap_add: [${missing.join(', ')}]`),
      );
    }
  }
  if (has(SYS_ADMIN)) return ok('PID 1 has CAP_SYS_ADMIN: it may mount the enclave');
  if (byEngine) return ok(`PID 1 has no CAP_SYS_ADMIN, and needs none: the engine mounted ${ENCLAVE}`);
  if (initUid !== 0) {
    return problem(
      'cannot-mount',
      `PID 1 is uid ${initUid} and may not mount: without an enclave the vault cannot be unlocked`,
      ...engineMount(machine),
    );
  }
  return problem(
    'cannot-mount',
    'PID 1 has no CAP_SYS_ADMIN: it cannot mount the enclave, so the vault cannot be unlocked',
    ...MAY_MOUNT,
    `or have the engine mount it: ${engineMount(machine)[0]}`,
  );
}

/** Harmless to us, and worth knowing: it is why `sudo` fails. */
export function checkNewPrivileges({ init }: Machine): Finding {
  return init.status.get('NoNewPrivs') === '1'
    ? ok('no-new-privileges is on: sudo cannot work; nothing of ours needs it')
    : ok('no-new-privileges is off');
}
