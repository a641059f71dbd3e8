// Signals are caught when this module is loaded, which is why main.ts imports it before all others: while PID 1 does not
// listen the kernel drops what it is sent (pid_namespaces(7)), and loading the rest takes its time.

import { catchSignals } from './signals.ts';

/** Says who takes the signals; those that have come until then wait. */
export const listen = catchSignals();
