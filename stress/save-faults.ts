// Every step of a save made to fail: the kernel refuses a system call of `tazpod save`, or kills it there. The file's calls are
// made by threads that share the work as it comes, so that which of some is the second one differs from run to run.

import { requireProgram } from '../build/debian.ts';
import { ENCLAVE, VAULT_FILE } from '../lib/paths.ts';
import { FaultedSave, type SaveFault } from '../test/support/faulted-save.ts';
import { Random } from './random.ts';
import type { Stress, StressContext, StressOutcome } from './stress.ts';

const FAULTS = ['ENOSPC', 'EPERM', 'EBUSY', 'EIO', 'SIGKILL'] as const;
const MOST = 3;
const DIRECTORY = VAULT_FILE.slice(0, VAULT_FILE.lastIndexOf('/'));
/** Calls that only a save makes; and those that every program makes as well, with what they have to do with. */
const OWN = ['fsync', 'rename', 'link', 'unlink', 'fchmod', 'flock'];
const COMMON = [
  'openat',
  'read',
  'pread64',
  'statx',
  'readlink',
  'getdents64',
  'newfstatat',
  'mkdir',
  'statfs',
  'chdir',
];
const PATHS = [DIRECTORY, VAULT_FILE, ENCLAVE, `${ENCLAVE}/version`, `${ENCLAVE}/.vault_pass`, `${ENCLAVE}/.aws`];

export const saveFaults: Stress = {
  name: 'save-faults',
  summary: 'saves with a fault at one system call',
  unit: 'faults',
  count: 250,
  oracle:
    `${[...OWN, ...COMMON].join(', ')} of \`tazpod save\`, the first to the third of each, meet ${FAULTS.slice(0, -1).join(', ')} or a SIGKILL. ` +
    'Then the vault opens, and holds what it held, or what was to be saved, as the status says; only what could not be read, and was named with status 13, is not in it. ' +
    'A failure has its reason, the backup opens, and there is no conflict file. The next save writes what is missing and clears up.',
  executable: true,
  run,
};

async function run({ count, from, seed, progress, fail }: StressContext): Promise<StressOutcome> {
  await requireProgram('strace', 'strace');
  await using save = await FaultedSave.create();
  const figures = {
    'different faults': 0,
    'saved all the same': 0,
    'failed, the old vault in place': 0,
    'not reached': 0,
  };
  const items: SaveFault[] = [...OWN, ...COMMON].flatMap((name) =>
    FAULTS.flatMap((fault) =>
      Array.from({ length: MOST }, (_, index) => ({
        name,
        nth: index + 1,
        fault,
        ...(COMMON.includes(name) ? { paths: PATHS } : {}),
      })),
    ),
  );
  figures['different faults'] = items.length;
  if (count === saveFaults.count && count < items.length)
    throw new Error(`cannot have ${items.length} faults in ${count}`);
  for (let number = from; number < from + count; number++) {
    const item = items[number] ?? items[new Random(seed, number).below(items.length)];
    if (item === undefined) throw new Error('cannot find a fault');
    try {
      const { reached, saved } = await save.try(item);
      if (!reached) figures['not reached'] += 1;
      else figures[saved ? 'saved all the same' : 'failed, the old vault in place'] += 1;
    } catch (error) {
      fail(number, `${item.name} ${item.nth}, ${item.fault}: ${String(error)}`);
    }
    progress(number - from + 1);
  }
  return { figures };
}
