// A save at whose system calls the kernel says no, or that is killed at one: the vault is the old one or the new one, and opens.
// A long run has more calls and every error (stress/save-faults.ts); here is each kind of step.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { VAULT_FILE } from '../../lib/paths.ts';
import { FaultedSave } from '../support/faulted-save.ts';

let save: FaultedSave;

beforeAll(async () => {
  save = await FaultedSave.create();
});

afterAll(async () => {
  await save[Symbol.asyncDispose]();
});

describe('a save in which a system call fails leaves the old vault, and the next one writes the new', () => {
  test.each([
    { name: 'flock', fault: 'EIO' },
    { name: 'fsync', fault: 'EIO' },
    { name: 'rename', fault: 'ENOSPC' },
    { name: 'fchmod', fault: 'EPERM' },
    { name: 'openat', fault: 'EIO', paths: [VAULT_FILE] },
    { name: 'pread64', fault: 'EIO', paths: [VAULT_FILE] },
  ])('$name: $fault', async ({ name, fault, paths = [] }) => {
    const { reached, saved, status } = await save.try({ name, nth: 1, fault, paths });
    expect({ reached, saved, status }).toEqual({ reached: true, saved: false, status: 15 });
  });
});

test('a hard link that is refused does not keep a save from its backup', async () => {
  await using another = await FaultedSave.create();
  const outcome = await another.try({ name: 'link', nth: 1, fault: 'EPERM' });
  expect(outcome).toEqual({ reached: true, saved: true, status: 0 });
});

describe('a save that is killed at a system call leaves the old vault or the new one', () => {
  test.each(['flock', 'fsync', 'rename', 'unlink'])('%s', async (name) => {
    expect(await save.try({ name, nth: 1, fault: 'SIGKILL' })).toMatchObject({ reached: true });
  });
});
