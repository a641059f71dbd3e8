// Looking at files where what cannot be seen, or is gone meanwhile, is no failure.

import { errnoName } from '../lib/errors.ts';

/** What `look` finds; undefined where the system refuses it. */
export function unlessRefused<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return undefined;
  }
}
