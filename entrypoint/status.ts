// What PID 1 tells of itself and of the enclave. It answers what it knows: it reads no directory and no vault for it. Who holds
// the enclave takes a look at every process, and is told only to who asks for that: a health check does not.

import type { AutosaveState, Replies } from '../lib/protocol.ts';
import type { Keeper } from './keeper.ts';
import { signalName } from './signals.ts';
import { VERSION } from './version.ts';

/** What does not depend on the enclave. */
export interface InitFacts {
  readonly stopSignals: ReadonlySet<number>;
  /** Milliseconds; undefined: a stop never escalates. */
  readonly stopTimeout: number | undefined;
  readonly autosave: () => AutosaveState;
}

export function statusOf(keeper: Keeper, facts: InitFacts, withHolders: boolean): Replies['status'] {
  const { state, since, lastSaved } = keeper;
  const { stopSignals, stopTimeout, autosave } = facts;
  const enclave = keeper.facts(withHolders);
  return {
    state,
    since,
    pid: process.pid,
    version: VERSION,
    started: Math.round(performance.timeOrigin),
    autosave: autosave(),
    stopSignals: [...stopSignals].map((signal) => signalName(signal).replace(/^SIG/, '')),
    ...(stopTimeout === undefined ? {} : { stopTimeout }),
    ...(lastSaved === undefined ? {} : { saved: lastSaved }),
    ...(enclave === undefined ? {} : { enclave }),
  };
}
