// `tazpod doctor`: is everything as it should be, and if not, what mends it? Works before anything else does: without a PID 1 of
// ours, without a vault, without the operator's account, as root or not, on a machine that is no container.
// Looks, and changes nothing. As root it looks at PID 1 first, and then becomes the operator: in the workspace and the home it
// can see what that sees, and no more.

import { isatty } from 'node:tty';

import { type ExitStatus, TazpodError } from '../lib/errors.ts';
import type { Call } from './call.ts';
import { type Checked, runChecks } from './doctor/checks.ts';
import { askInit } from './doctor/control-socket.ts';
import { Files } from './doctor/files.ts';
import { Machine, readPrivileged } from './doctor/machine.ts';
import { becomeOperator } from './operator.ts';

export async function doctor({ given, output }: Call): Promise<ExitStatus> {
  const files = new Files();
  const privileged = readPrivileged(files, process.pid);
  const confined = tryToBecomeOperator();
  const machine = new Machine(files, privileged, {
    caller: { pid: process.pid, uid: process.geteuid?.() ?? 0, onTerminal: isatty(0) },
    answer: await askInit(),
    confined,
  });
  const { default: program } = await import('../package.json', { with: { type: 'json' } });
  const checks = runChecks(machine, program.version);
  const told = given.flag('quiet') ? checks.filter(({ state }) => state !== 'ok') : checks;
  output.data(told.map(lines).join(''));

  const problems = checks.filter((checked) => checked.state === 'problem');
  const [first] = problems;
  if (first === undefined) {
    output.result({ checks });
    return 0;
  }
  const more = problems.length === 1 ? '' : `, the first of ${problems.length} problems`;
  const error = new TazpodError(first.code, `cannot find all in order: ${first.check}${more}`);
  return output.fail(error, { checks });
}

/** Why we stay root, if root cannot become the operator; without the account there is nobody to become. */
function tryToBecomeOperator(): TazpodError | undefined {
  try {
    becomeOperator({ optional: true });
    return undefined;
  } catch (error) {
    if (error instanceof TazpodError) return error;
    throw error;
  }
}

/** One line, and below it one for each way to mend what is wrong. */
function lines(checked: Checked): string {
  const { check, state, message } = checked;
  const hints = checked.state === 'ok' ? [] : checked.hint.split('\n');
  const indent = ' '.repeat(STATE_WIDTH + CHECK_WIDTH);
  return [
    `${state.padEnd(STATE_WIDTH)}${check.padEnd(CHECK_WIDTH)}${message}\n`,
    ...hints.map((hint) => `${indent}${hint}\n`),
  ].join('');
}

const STATE_WIDTH = 'problem'.length + 2;
const CHECK_WIDTH = 'new-privileges'.length + 2;
