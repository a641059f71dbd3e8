// The time that a stop takes, against the time that the engine gives: from inside only our half can be seen.

import { flags, ok, problem, shown, warning, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

/** What `docker stop` gives unless told otherwise, in seconds. */
const ENGINES_GRACE = 10;
/** What PID 1 takes for the last save and the lock, after the command's time, at most. */
const AFTER_COMMAND = 4;
const DEFAULT = 5;
const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60 };

export function checkGrace({ settings }: Machine): Finding {
  const text = settings.values.get('TAZPOD_STOP_TIMEOUT');
  if (text === 'off') {
    return warning(
      'TAZPOD_STOP_TIMEOUT=off: a command that does not end at a stop request is killed together with PID 1, unsaved',
      'leave TAZPOD_STOP_TIMEOUT out, or give it a time such as 5s',
    );
  }
  const [, digits, unit = 's'] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)?$/.exec(text ?? `${DEFAULT}s`) ?? [];
  if (digits === undefined) {
    return problem(
      'configuration',
      `TAZPOD_STOP_TIMEOUT=${shown(text ?? '')} is no time: tazpod-entrypoint does not start like that`,
      'give it a time such as 5s or 500ms, or off',
    );
  }
  const command = Number(digits) * (UNITS[unit] ?? 1);
  const all = command + AFTER_COMMAND;
  const said = `a stop takes up to ${command} s for the command (TAZPOD_STOP_TIMEOUT) and ${AFTER_COMMAND} s to save and lock`;
  if (all < ENGINES_GRACE) {
    return ok(
      `${said}; the engine's grace period cannot be seen from here: docker stop gives ${ENGINES_GRACE} s by default`,
    );
  }
  const grace = Math.ceil(all) + 1;
  return warning(
    `${said}: more than the ${ENGINES_GRACE} s that docker stop gives by default (what it gives here cannot be seen)`,
    ...flags(`--stop-timeout ${grace}`, `stop_grace_period: ${grace}s`),
  );
}
