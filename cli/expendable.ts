// Who goes first when memory runs out: we do. What an unlock or a save has begun is undone, and can be begun again; PID 1 and the
// operator's programs, which the kernel would end where they are larger, cannot.

import { writeFileSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';

/** The highest there is, proc_pid_oom_score_adj(5): raising it takes no privilege. */
const FIRST = '1000';

/** To be called before a change of identity, and before we cannot be looked into: then the file is root's. */
export function becomeExpendable(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', FIRST);
  } catch (error) {
    // No /proc, or one that is read-only: then the kernel chooses by size.
    if (errnoName(error) === undefined) throw error;
  }
}
