// The first moments. Until an init listens it is deaf: the kernel drops what is sent to a PID 1 that has no handler (pid_namespaces(7)).
// How long that is, from the program's execve(2) on, is measured here and noted beside the test (docs/init.md says what it means).

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { expect, test } from 'vitest';

import { describeInits, OURS, OURS_UNPRIVILEGED, TINI } from '../support/inits.ts';
import { Sandbox, type Running } from '../support/sandbox.ts';

const { SIGTERM, SIGTTOU } = constants.signals;
const RUNS = 15;
const PATIENCE = 10_000; // ms

describeInits([TINI, OURS, OURS_UNPRIVILEGED], (init) => {
  test('loses no TERM from the moment on in which it listens', async ({ annotate }) => {
    await using sandbox = await Sandbox.create();
    const windows: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const running = await sandbox.start(init.line(['sleep', 'infinity']), init.options);
      const window = untilItListens(running);
      if (window !== undefined) windows.push(window);
      // The command may run by then, or not: then TERM aborts the boot. The container ends by it in any case.
      running.signal(SIGTERM);
      expect(await running.exited).toEqual({ code: 128 + SIGTERM, signal: null });
    }
    const sorted = windows.sort((a, b) => a - b).map((window) => window.toFixed(1));
    await annotate(
      `deaf for ${sorted[sorted.length >> 1]} ms (${sorted[0]} to ${sorted.at(-1)}, ${sorted.length} runs)`,
    );
  }, 60_000);
});

/** What becomes the init, one program after the other, each by execve(2) in the same process. */
const BEFORE: ReadonlySet<string> = new Set(['sh', 'enter', 'setpriv', 'env', 'setsid']);

/**
 * Watches PID 1 from its execve(2) until it listens. tini and ours alike ignore TTIN and TTOU as soon as they do.
 * @returns milliseconds; undefined if the execve was missed
 */
function untilItListens({ pid }: Running): number | undefined {
  const name = (): string => readFileSync(`/proc/${pid}/comm`, 'latin1').trim();
  const isSeen = BEFORE.has(name());
  while (BEFORE.has(name()));
  const start = performance.now();
  for (;;) {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const ignored = BigInt(`0x${/^SigIgn:\t([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
    const passed = performance.now() - start;
    if ((ignored & (1n << BigInt(SIGTTOU - 1))) !== 0n) return isSeen ? passed : undefined;
    if (passed > PATIENCE) throw new Error(`it does not listen:\n${status}`);
  }
}
