// Destroying an enclave: wiped first, then closed for good to whoever keeps it, then unmounted. A step that fails keeps none of
// the others from being taken.

import { ENCLAVE } from '../lib/paths.ts';
import { MOST_HOLDERS, type Replies } from '../lib/protocol.ts';
import { giveEnclave, unmountEnclave, type Enclave } from './enclave.ts';
import { emptyHeldFiles } from './held-files.ts';
import { holdersOf } from './holders.ts';
import type { Log } from './log.ts';
import type { Operator } from './operator.ts';
import { leaveNoRoom } from './shrink.ts';
import { wipe } from './wipe.ts';

/** Takes a step; where it fails, that is logged, and undefined is the answer. */
export type Attempt = <T>(what: string, step: () => T) => T | undefined;

/** Destroys what is in an enclave, and the mount itself if it is ours. Synchronous throughout. */
export function destroyEnclave(enclave: Enclave, operator: Operator, attempt: Attempt, log: Log): Replies['close'] {
  const { device, root, ours } = enclave;
  const isEmpty = attempt('wipe the enclave', () => wipe(root));
  if (isEmpty !== true) log.error(`cannot remove everything from ${ENCLAVE}: what is left has no contents any more`);
  const unmounted = ours ? takeAway(enclave, operator, attempt, log) : giveBack(enclave, operator, attempt);
  const holders = attempt('look for holders', () => holdersOf(device, operator)) ?? [];
  return { unmounted, holders: holders.slice(0, MOST_HOLDERS), ended: [] };
}

/** A mount of ours: closed for good to those who keep it, then unmounted. */
function takeAway(enclave: Enclave, operator: Operator, attempt: Attempt, log: Log): boolean {
  const emptyHeld = (emptied?: () => void): void => emptyHeldFiles(enclave.device, operator, emptied);
  const left = attempt('keep the enclave from being written to', () => leaveNoRoom(enclave.root, emptyHeld));
  if (left === undefined) attempt('empty files that are held open', emptyHeld);
  else if (left > 0)
    log.error(`cannot empty files without names in ${ENCLAVE}: ${left} bytes stay with who holds them`);
  const unmounted = attempt('unmount the enclave', () => {
    unmountEnclave(enclave);
    return true;
  });
  return unmounted ?? false;
}

/** A mount of the engine's: empty, and the operator's again. */
function giveBack({ device, root }: Enclave, operator: Operator, attempt: Attempt): boolean {
  attempt('empty files that are held open', () => emptyHeldFiles(device, operator));
  attempt('give the enclave back', () => giveEnclave(root, operator));
  root.close();
  return false;
}
