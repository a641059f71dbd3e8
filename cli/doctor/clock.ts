// The clock: signatures of cloud requests, and the times in the names of conflict files, depend on it.

import { VAULT_FILE } from '../../lib/paths.ts';
import { ok, warning, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

/** Nothing of ours is older. */
const EARLIEST = Date.UTC(2026, 0, 1);
/** How far clocks of two machines that share a directory may be apart, in milliseconds. */
const TOLERANCE = 5 * 60 * 1000;

export function checkClock({ files, now }: Machine): Finding {
  const time = now.toISOString();
  const vault = files.targetStats(VAULT_FILE);
  const correct = 'on the host: timedatectl set-ntp true (in a virtual machine: restart it)';
  if (now.getTime() < EARLIEST) {
    return warning(
      `the clock is wrong: it says ${time}; cloud services refuse requests that are signed like that`,
      correct,
    );
  }
  if (vault !== undefined && vault.mtimeMs > now.getTime() + TOLERANCE) {
    return warning(
      `the clock says ${time}, and the vault was written at ${vault.mtime.toISOString()}, later: one of two clocks is wrong`,
      correct,
    );
  }
  return ok(time);
}
