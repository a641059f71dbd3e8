// The enclave as the working directory. Secrets are written only where the kernel says that it is RAM, and the very file
// system that PID 1 mounted; from then on names are relative, so that no path can be swapped under us.
// It has to be left before the connection ends: a working directory keeps a mount busy.

import { statfsSync, statSync } from 'node:fs';
import { readingAdvice } from '../lib/advice.ts';
import { reasonOf, TazpodError } from '../lib/errors.ts';
import { ENCLAVE } from '../lib/paths.ts';

/** `TMPFS_MAGIC`, statfs(2). */
const TMPFS = 0x01021994;

const COVERED = 'something else is in its place: leave that path to tazpod, then lock and unlock again';

/** Being in the enclave; disposing leaves it. */
export interface Presence extends Disposable {
  /** What the enclave can hold, in bytes. */
  readonly size: number;
}

/**
 * Makes the enclave the working directory.
 * @param device what `stat` must give: PID 1 names it
 * @throws TazpodError `cannot-mount` when what is mounted there is not what PID 1 mounted
 */
export function enterEnclave(device: number): Presence {
  try {
    process.chdir(ENCLAVE);
    const { type, blocks, bsize } = statfsSync('.');
    if (type !== TMPFS)
      throw new TazpodError('cannot-mount', `cannot use ${ENCLAVE}: it is not in RAM`, { hint: COVERED });
    if (statSync('.').dev !== device) {
      throw new TazpodError('cannot-mount', `cannot use ${ENCLAVE}: it is not what PID 1 has mounted`, {
        hint: 'call tazpod in the container itself, not in a mount namespace of your own',
      });
    }
    return { size: blocks * bsize, [Symbol.dispose]: leaveEnclave };
  } catch (error) {
    leaveEnclave();
    if (error instanceof TazpodError) throw error;
    throw new TazpodError('cannot-mount', `cannot enter ${ENCLAVE}: ${reasonOf(error)}`, {
      hint: readingAdvice(error, ENCLAVE) ?? COVERED,
      cause: error,
    });
  }
}

/** Leaves the enclave, so that it can be unmounted. */
function leaveEnclave(): void {
  process.chdir('/');
}
