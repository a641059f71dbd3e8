// The operator: the account that the shell and the vault's work run as. Its home holds the enclave.

import { HOME } from '../../lib/paths.ts';
import { DEFAULT_OPERATOR } from '../accounts.ts';
import { ok, problem, shown, warning, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

export function checkOperator(machine: Machine): Finding {
  const { account, files, init, initUid, operatorName, recorded } = machine;
  if (account === undefined) return checkMissing(machine);
  const { name, uid, home, shell } = account;
  if (uid === 0) {
    return problem(
      'configuration',
      `the operator "${shown(name)}" is root: tazpod-entrypoint refuses to run a shell like that`,
      'TAZPOD_USER names an account without privileges, or is left out',
    );
  }
  if (initUid !== 0 && initUid !== uid) {
    return problem(
      'configuration',
      `PID 1 is uid ${initUid} and cannot become the operator "${shown(operatorName)}" (uid ${uid})`,
      'leave --user (compose: user:) out, or TAZPOD_USER',
    );
  }
  if (machine.confined) {
    return warning(
      machine.confined.message,
      machine.confined.hint ?? `docker exec --user ${uid} CONTAINER tazpod VERB`,
    );
  }
  const homeStats = files.targetStats(HOME);
  if (homeStats === undefined) {
    return problem(
      init.entrypoint === undefined ? 'configuration' : 'cannot-mount',
      `there is no ${HOME}: the enclave has no place`,
      `Dockerfile: RUN install -d -o ${uid} -g ${account.gid} ${HOME}`,
    );
  }
  if (homeStats.uid !== uid) {
    return problem(
      'configuration',
      `${HOME} belongs to uid ${homeStats.uid}, not to the operator "${shown(name)}" (uid ${uid}): ~/.aws cannot be bridged there`,
      `Dockerfile: RUN chown ${uid}:${account.gid} ${HOME}`,
    );
  }
  if (home !== HOME) {
    return warning(
      `the home of "${shown(name)}" is ${shown(home)}: the enclave is in ${HOME}, where its tools do not look for ~/.aws`,
      `Dockerfile: RUN usermod --home ${HOME} ${shown(name)}`,
    );
  }
  if (files.targetStats(shell) === undefined) {
    return warning(
      `the login shell ${shown(shell)} of "${shown(name)}" does not exist: a container without a command ends with 127`,
      `Dockerfile: RUN usermod --shell /bin/sh ${shown(name)}`,
    );
  }
  if (recorded !== undefined && recorded.uid !== uid) {
    return warning(
      `the operator is uid ${uid}, as the workspace's owner, but "${shown(name)}" is uid ${recorded.uid}: /etc/passwd could not be changed`,
      `another shell: docker exec --user ${uid}:${account.gid} CONTAINER …`,
      'or leave --read-only out',
    );
  }
  return ok(`"${shown(name)}", uid ${uid}, home ${shown(home)}, shell ${shown(shell)}`);
}

function checkMissing({ initUid, init, operatorName, settings, mounts }: Machine): Finding {
  const name = shown(operatorName);
  if (settings.values.has('TAZPOD_USER')) {
    return problem(
      'configuration',
      `there is no account "${name}", which TAZPOD_USER names: tazpod-entrypoint does not start like that`,
      `Dockerfile: RUN useradd --create-home --home-dir ${HOME} NAME`,
      'or leave TAZPOD_USER out',
    );
  }
  if (initUid !== 0) return ok(`uid ${initUid}, as PID 1, without an account`);
  const isReadOnly = mounts.findLast(({ point }) => point === '/')?.options.has('ro') === true;
  if (init.entrypoint === undefined && !isReadOnly) {
    return ok(`there is no account "${name}" yet: tazpod-entrypoint makes it when it starts as PID 1`);
  }
  return problem(
    'configuration',
    `there is no account "${DEFAULT_OPERATOR}", and tazpod-entrypoint could not make it`,
    `Dockerfile: RUN useradd --create-home --home-dir ${HOME} --shell /bin/bash ${DEFAULT_OPERATOR}`,
  );
}
