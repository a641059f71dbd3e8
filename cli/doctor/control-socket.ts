// Whether the verbs can talk to PID 1: the socket, who may use it, and what answers there.

import { reasonOf, TazpodError } from '../../lib/errors.ts';
import { CONTROL_SOCKET, RUNTIME_DIRECTORY } from '../../lib/paths.ts';
import { ControlClient } from '../control-client.ts';
import { ok, problem, shown, warning, type Finding } from './finding.ts';
import type { Answer, Machine } from './machine.ts';

const OTHERS = 0o066;

/** Asks PID 1 for its state. Never throws what a person could act on. */
export async function askInit(path: string = CONTROL_SOCKET): Promise<Answer> {
  try {
    using client = ControlClient.connect(path);
    return await client.requestBriefly({ op: 'status' });
  } catch (error) {
    return error instanceof TazpodError ? error : new TazpodError('unreachable', reasonOf(error), { cause: error });
  }
}

/** @param version ours */
export function checkSocket(machine: Machine, version: string): Finding {
  const { files, init, caller, operator, answer } = machine;
  const socket = files.stats(CONTROL_SOCKET);
  if (init.entrypoint === undefined) {
    if (init.isDoctor) return ok(`${CONTROL_SOCKET} is made when tazpod-entrypoint starts`);
    return problem(
      'unreachable',
      socket
        ? `${CONTROL_SOCKET} is left over: nobody listens there`
        : `there is no ${CONTROL_SOCKET}: nobody made one`,
      'start the container with tazpod-entrypoint as its entrypoint',
    );
  }
  if (socket === undefined) {
    const owner = machine.initUid === 0 ? '' : `:uid=${operator.uid},gid=${operator.gid}`;
    return problem(
      'unreachable',
      `there is no ${CONTROL_SOCKET}: tazpod unlock, save and lock do not work (the vault is saved and locked at the end)`,
      `docker run: --tmpfs ${RUNTIME_DIRECTORY}${owner}`,
      `compose: tmpfs: ['${RUNTIME_DIRECTORY}${owner}']`,
    );
  }
  if ((socket.mode & OTHERS) !== 0) {
    return warning(
      `${CONTROL_SOCKET} has the mode ${(socket.mode & 0o777).toString(8)}: others than the operator may lock and unlock`,
      `chmod 600 ${CONTROL_SOCKET}`,
    );
  }
  if (!(answer instanceof TazpodError)) {
    if (answer.version === version) return ok(`PID ${answer.pid} answers: ${answer.state}, version ${version}`);
    return warning(
      `PID ${answer.pid} is version ${shown(answer.version)}, this tazpod is ${version}: they may not understand each other`,
      'take both from the same image',
    );
  }
  if (caller.uid !== operator.uid) {
    return warning(
      `uid ${caller.uid} may not use ${CONTROL_SOCKET}: it is the operator's (uid ${operator.uid}) alone`,
      `docker exec --user ${operator.uid} CONTAINER tazpod VERB`,
    );
  }
  const mode = (socket.mode & 0o777).toString(8);
  return problem(
    'unreachable',
    socket.uid === operator.uid
      ? answer.message
      : `${CONTROL_SOCKET} belongs to uid ${socket.uid} (mode ${mode}), not to the operator: the verbs cannot reach PID 1`,
    answer.hint ?? 'see what the container logged, and start it anew',
  );
}
