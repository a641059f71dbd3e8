// All checks, in the order in which they are shown: what is first is what to mend first. The names are stable; programs may
// compare them.

import { reasonOf, TazpodError } from '../../lib/errors.ts';
import { checkCapabilities, checkNewPrivileges } from './capabilities.ts';
import { checkClock } from './clock.ts';
import { checkLabel, checkSeccomp } from './confinement.ts';
import { checkSocket } from './control-socket.ts';
import { checkBridge, checkEnclave } from './enclave.ts';
import { ok, warning, type Finding } from './finding.ts';
import { checkInit } from './init.ts';
import type { Machine } from './machine.ts';
import { checkMemory, checkSwap } from './memory.ts';
import { checkOperator } from './operator-account.ts';
import { checkPassphrase, checkTerminal } from './passphrase.ts';
import { checkRoot } from './root-file-system.ts';
import { checkGrace } from './stop.ts';
import { checkBeside, checkRoom, checkVault } from './vault.ts';
import { checkIdentity, checkWorkspace } from './workspace.ts';

export type Check = (machine: Machine, version: string) => Finding;

/** What only a container has. */
const IN_CONTAINER = {
  init: checkInit,
  capabilities: checkCapabilities,
  label: checkLabel,
  seccomp: checkSeccomp,
  'new-privileges': checkNewPrivileges,
  operator: checkOperator,
  root: checkRoot,
  socket: checkSocket,
  workspace: checkWorkspace,
  identity: checkIdentity,
  vault: checkVault,
  room: checkRoom,
  copies: checkBeside,
  enclave: checkEnclave,
  aws: checkBridge,
  passphrase: checkPassphrase,
  terminal: checkTerminal,
  memory: checkMemory,
  stop: checkGrace,
} as const satisfies Readonly<Record<string, Check>>;

/** What containers have from the machine that they run on. */
const ON_HOST = { swap: checkSwap, clock: checkClock } as const satisfies Readonly<Record<string, Check>>;

export type Checked = { readonly check: string } & Finding;

/** Runs all that make sense here. */
export function runChecks(machine: Machine, version: string): Checked[] {
  const checks = Object.entries<Check>(machine.isHost ? ON_HOST : { ...IN_CONTAINER, ...ON_HOST });
  return [
    { check: 'place', ...checkPlace(machine) },
    ...checks.map(([name, check]) => ({ check: name, ...found(check, machine, version) })),
  ];
}

function checkPlace({ isHost }: Machine): Finding {
  if (!isHost) return ok('this is a container');
  return warning(
    'this is no container but the machine itself: only what containers have from it is checked',
    'in a container: docker exec CONTAINER tazpod doctor',
    'with the flags of one that does not start: docker run … --entrypoint tazpod IMAGE doctor',
  );
}

/** What may not be looked at must not keep the rest from being checked. */
function found(check: Check, machine: Machine, version: string): Finding {
  try {
    return check(machine, version);
  } catch (error) {
    if (error instanceof TazpodError || !(error instanceof Error) || !('code' in error)) throw error;
    const { caller, operator } = machine;
    return warning(
      `cannot be checked as uid ${caller.uid}: ${reasonOf(error)}`,
      caller.uid === operator.uid
        ? 'mend first what is wrong with the workspace'
        : 'docker exec --user 0 CONTAINER tazpod doctor',
    );
  }
}
