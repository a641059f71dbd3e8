// Giving the operator what root made in the enclave (through `docker exec`, say): a save runs as the operator and could
// not read it. By descriptors, no link followed, no other device entered.

import { errnoName } from '../lib/errors.ts';
import type { Enclave } from './enclave.ts';
import type { Operator } from './operator.ts';
import { walk } from './walk.ts';

/** Makes everything in the enclave the operator's. What is gone meanwhile, or out of reach, the save tells. */
export function giveToOperator(enclave: Enclave, { uid, gid }: Operator): void {
  if (process.getuid?.() !== 0) return;
  try {
    const walking = walk(enclave.root, {
      entry(entry) {
        const found = entry.stat();
        if (found !== undefined && found.uid !== uid) entry.give(uid, gid);
      },
    });
    while (walking.next().done !== true);
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
  }
}
