// Giving back what only the start needed. The kernel maps the executable's code and constants as they are touched, and undoes
// each page of it when we end: a few milliseconds in which our parent waits. Dropped pages stay in the page cache; those that
// are needed again come back by themselves.

import { readFileSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import { libc } from './native.ts';

const MADV_DONTNEED = 4;

/** Unmaps the pages of every file mapping that is as it is in the file (madvise(2), proc_pid_smaps(5)). */
export function dropFilePages(): void {
  for (const mapping of readMappings()) {
    // Only what cannot be written to, and was not: relocated constants have pages of their own, which would be lost.
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) r-[-x]p [^\n]* \/[^\n]*$/m.exec(mapping) ?? [];
    if (start === undefined || end === undefined || !/^Anonymous: +0 kB$/m.test(mapping)) continue;
    const address = BigInt(`0x${start}`);
    libc.madvise(address, BigInt(`0x${end}`) - address, MADV_DONTNEED);
  }
}

/** What smaps says of each mapping; nothing where there is no such file: then the pages stay. */
function readMappings(): string[] {
  try {
    return readFileSync('/proc/self/smaps', 'latin1').split('VmFlags:');
  } catch (error) {
    if (errnoName(error) === undefined) throw error;
    return [];
  }
}
