// An unlock at whose system calls the kernel says no, or a signal comes: each step of it in turn, of PID 1's and of the tool's.
// A long run has every call and every error (stress/faults.ts); here is each kind of step.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { FaultedUnlock, type Side } from '../support/faulted-unlock.ts';
import type { Fault, SystemCall } from '../support/system-calls.ts';

const ERRORS = ['ENOSPC', 'EPERM', 'EBUSY', 'EIO'] as const;
/** For the slowest machine: a step is an unlock with a fault, one without, and a lock. */
const TIMEOUT = 90_000;

/** Each in turn. */
const errorAt = (index: number): Fault => ({ error: ERRORS[index % ERRORS.length] ?? 'EIO' });

let unlock: FaultedUnlock;
const calls: Record<Side, SystemCall[]> = { 'PID 1': [], tazpod: [] };

beforeAll(async () => {
  unlock = await FaultedUnlock.create();
  for (const side of ['PID 1', 'tazpod'] as const) calls[side] = await unlock.callsOf(side);
});

afterAll(async () => {
  await unlock[Symbol.asyncDispose]();
});

/** What becomes of an unlock at each of the chosen calls; a fault that leaves anything throws. */
async function outcomes(side: Side, isChosen: (call: SystemCall) => boolean, faultOf: (index: number) => Fault) {
  const chosen = calls[side].filter(isChosen);
  expect(chosen.length).toBeGreaterThan(0);
  const all = [];
  for (const [index, call] of chosen.entries()) all.push(await unlock.try(side, call, faultOf(index)));
  return all;
}

const named =
  (...names: readonly string[]) =>
  ({ name }: SystemCall) =>
    names.includes(name);

describe('a system call that fails leaves an unlock whole or nothing of it, and the next one works', () => {
  const steps: { side: Side; names: string }[] = [
    { side: 'PID 1', names: 'fsopen, fsmount, mount_setattr, move_mount, open_tree' },
    { side: 'PID 1', names: 'setresuid' },
    { side: 'tazpod', names: 'connect, chdir, statfs' },
    { side: 'tazpod', names: 'mkdir, fchmod, chmod' },
    { side: 'tazpod', names: 'write' },
  ];

  test.each(steps)('$side: $names', { timeout: TIMEOUT }, async ({ side, names }) => {
    const all = await outcomes(side, named(...names.split(', ')), errorAt);
    for (const { reached, ended } of all) expect({ reached, ended }).toEqual({ reached: true, ended: undefined });
  });

  test('PID 1: fsconfig, with the last option and to make the file system', { timeout: TIMEOUT }, async () => {
    const isLast = ({ name, text }: SystemCall) => name === 'fsconfig' && /noswap|CMD_CREATE/.test(text);
    const all = await outcomes('PID 1', isLast, () => ({ error: 'EIO' }));
    expect(all).toEqual(all.map(() => ({ reached: true, unlocked: false, ended: undefined })));
  });
});

// What was once mounted or opened for good by an unlock that was refused.
test('PID 1: the look at what it has mounted, and at where rescue copies go', { timeout: TIMEOUT }, async () => {
  // What it looks at when it begins to watch the enclave is after the unlock.
  const watching = calls['PID 1'].findIndex(({ name }) => name === 'inotify_init1');
  const isLook = (call: SystemCall) =>
    calls['PID 1'].indexOf(call) < watching &&
    ((call.name === 'statx' && /^\d+<\/home\/tazpod\/secrets(\/\.aws)?>, "",/.test(call.text)) ||
      (call.name === 'openat2' && call.text.startsWith('AT_FDCWD</>, "/",')));
  const all = await outcomes('PID 1', isLook, errorAt);
  expect(all.length).toBeGreaterThan(2);
  for (const { reached, ended } of all) expect({ reached, ended }).toEqual({ reached: true, ended: undefined });
});

test('tazpod killed at a step of its own: PID 1 undoes what was begun', { timeout: TIMEOUT }, async () => {
  const all = await outcomes('tazpod', named('connect', 'chdir', 'mkdir', 'fchmod'), () => ({ signal: 'SIGKILL' }));
  for (const { reached } of all) expect(reached).toBe(true);
});

test(
  'PID 1 told to stop at a step of its own: the container ends, and leaves nothing',
  { timeout: TIMEOUT },
  async () => {
    const all = await outcomes('PID 1', named('move_mount'), () => ({ signal: 'SIGTERM' }));
    for (const { ended } of all) expect(ended).toEqual({ code: 143, signal: null });
  },
);
