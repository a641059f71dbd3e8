// What a person is told of hooks that failed: they run elsewhere, and what they wrote is in the container's log.

import type { HookFailure } from '../lib/protocol.ts';
import type { Output } from './output.ts';

export function warnOfHooks(failures: readonly HookFailure[], output: Output): void {
  for (const { hook, reason } of failures) {
    output.warn(`the hook ${hook} failed: ${reason} (what it wrote is in the container's log)`);
  }
}
