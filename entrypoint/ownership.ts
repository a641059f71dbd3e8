// Giving the operator what root made in the enclave (through `docker exec`, say): a save runs as the operator and could
// not read it. By descriptors, no link followed, no other device entered.

import { lchownSync, lstatSync, readdirSync } from 'node:fs';

import { errnoName } from '../lib/errors.ts';
import type { Directory } from './directory.ts';
import type { Enclave } from './enclave.ts';
import type { Operator } from './operator.ts';

/** Makes everything in the enclave the operator's. */
export function giveToOperator(enclave: Enclave, operator: Operator): void {
  if (process.getuid?.() !== 0) return;
  const pending = ['.'];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    try {
      using directory = enclave.root.openBeneath(Buffer.from(path, 'latin1'));
      for (const name of giveEntries(directory, operator)) pending.push(`${path}/${name}`);
    } catch (error) {
      // Gone meanwhile, a mount of somebody's, or deeper than a path can say: the save tells what it cannot read.
      if (errnoName(error) === undefined) throw error;
    }
  }
}

/** Answers the directories among the entries. Names as Latin-1: bytes. */
function giveEntries(directory: Directory, operator: Operator): string[] {
  const directories: string[] = [];
  for (const entry of readdirSync(directory.path(), { encoding: 'buffer', withFileTypes: true })) {
    const path = directory.path(entry.name);
    const { uid } = lstatSync(path);
    if (uid !== operator.uid) lchownSync(path, operator.uid, operator.gid);
    if (entry.isDirectory()) directories.push(entry.name.toString('latin1'));
  }
  return directories;
}
