// What may forbid mounting although the capability is there: AppArmor or SELinux by PID 1's label, seccomp by its mode.
// Profiles cannot be read from inside. Where the enclave is mounted, by whomever, nothing stood in the way.

import { ENCLAVE } from '../../lib/paths.ts';
import { flags, ok, problem, shown, warning, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

/** The default AppArmor profiles of Docker, Podman, CRI-O and containerd: all of them forbid mount(2). */
const FORBIDS_MOUNTS = /^(docker-default|containers-default-\S*|crio-default\S*|cri-containerd\.apparmor\.d)$/;
const NO_APPARMOR = flags('--security-opt apparmor=unconfined', "security_opt: ['apparmor=unconfined']");
const NO_SELINUX = flags('--security-opt label=disable', "security_opt: ['label=disable']");

export function checkLabel(machine: Machine): Finding {
  const { label } = machine.init;
  if (label === undefined || label === 'kernel') return ok('neither AppArmor nor SELinux confines PID 1');
  // SELinux: user:role:type:level, selinux(8). The types that a container gets begin with container_.
  const isSelinux = label.includes(':');
  const [, profile = label, mode] = /^(.*?)(?: \((\w+)\))?$/.exec(label) ?? [];
  const isConfined = isSelinux ? label.includes(':container_') : profile !== 'unconfined' && mode !== 'complain';
  const name = `${isSelinux ? 'SELinux type' : 'AppArmor profile'} ${shown(isSelinux ? label : profile)}`;
  if (!isConfined) return ok(`${name} lets PID 1 mount`);
  if (machine.mountAt(ENCLAVE) !== undefined) return ok(`${name} confines PID 1; ${ENCLAVE} is mounted all the same`);
  if (isSelinux) {
    return warning(`${name} may forbid PID 1 to mount, whatever its capabilities`, ...NO_SELINUX);
  }
  if (!FORBIDS_MOUNTS.test(profile)) {
    return warning(`${name} may forbid PID 1 to mount, whatever its capabilities`, ...NO_APPARMOR);
  }
  return problem(
    'cannot-mount',
    `${name} forbids PID 1 to mount, whatever its capabilities: the vault cannot be unlocked`,
    ...NO_APPARMOR,
  );
}

export function checkSeccomp({ init }: Machine): Finding {
  return init.status.get('Seccomp') === '2'
    ? ok("a seccomp filter is on: the engines' own let a PID 1 with CAP_SYS_ADMIN mount")
    : ok('no seccomp filter');
}
