// Watching the system calls of a running process from outside, and making one of them fail, or a signal come just then: strace(1),
// which may trace PID 1 too, undumpable as it is, with the machine's CAP_SYS_PTRACE. One thread is traced, so that "the third
// mkdir" is the same call every time.

import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';

import { Output } from './output.ts';

/** One call of those that were traced. */
export interface SystemCall {
  readonly name: string;
  /** The first, the second, … of that name. */
  readonly nth: number;
  /** As strace shows it, with what its descriptors are. */
  readonly text: string;
}

/** What happens at a call: the kernel refuses it, or answers something else without doing it, or a signal comes first. */
export type Fault = { readonly error: string } | { readonly returns: number } | { readonly signal: NodeJS.Signals };

const PATIENCE = 60_000; // ms

/** The event loop's own descriptors: what comes of their failure is libuv's choice, and they never fail. */
const EVENT_LOOP = /^\d+<anon_inode:\[(eventfd|eventpoll|timerfd)\]>/;

/**
 * Traces the main thread of a process while something is done.
 * @param names of the calls
 * @returns the calls, in their order
 */
export async function systemCallsOf(
  pid: number,
  names: readonly string[],
  act: () => Promise<unknown>,
): Promise<SystemCall[]> {
  const lines = await trace(pid, ['-e', `trace=${names.join(',')}`], act);
  const counts = new Map<string, number>();
  const calls: SystemCall[] = [];
  for (const line of lines) {
    const [, name = '', text = ''] = /^(\w+)\((.*)$/.exec(line) ?? [];
    if (name === '') continue;
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    if (!EVENT_LOOP.test(text)) calls.push({ name, nth, text });
  }
  return calls;
}

/**
 * Has a fault happen at one call of a process's main thread while something is done.
 * @returns whether it came to that call
 */
export async function withFault(
  pid: number,
  { name, nth }: SystemCall,
  fault: Fault,
  act: () => Promise<unknown>,
): Promise<boolean> {
  const what =
    'error' in fault
      ? `error=${fault.error}`
      : 'returns' in fault
        ? `retval=${fault.returns}`
        : `signal=${fault.signal}`;
  const lines = await trace(pid, ['-e', `trace=${name}`, '-e', `inject=${name}:${what}:when=${nth}`], act);
  return 'signal' in fault
    ? lines.filter((line) => line.startsWith(`${name}(`)).length >= nth
    : lines.some((line) => line.endsWith('(INJECTED)'));
}

async function late(): Promise<never> {
  await delay(PATIENCE, undefined, { ref: false });
  throw new Error('what is traced does not end');
}

async function trace(pid: number, options: readonly string[], act: () => Promise<unknown>): Promise<string[]> {
  const file = join(tmpdir(), `tazpod-trace-${randomUUID()}`);
  const strace = execa('strace', ['-y', '-p', String(pid), '-o', file, ...options], {
    stdin: 'ignore',
    stdout: 'ignore',
    reject: false,
    buffer: false,
  });
  try {
    await new Output(strace.stderr).waitFor('attached');
    await Promise.race([act(), late()]);
  } finally {
    // It may have ended with what it traced.
    strace.kill('SIGINT');
    await strace;
  }
  const lines = (await readFile(file, 'latin1')).split('\n');
  await rm(file);
  return lines;
}
