// What `tazpod status` shows: a row for each thing that there is to tell, its name before it. In the order of what people ask:
// is it open, is it saved, what is in it, where is it kept, does something wait for me, who holds it, who looks after it.

import { escapeName } from '../lib/escape.ts';
import { VAULT_FILE } from '../lib/paths.ts';
import type { AutosaveState, EnclaveFacts, Replies } from '../lib/protocol.ts';
import { moment } from './moment.ts';
import { printable } from './printable.ts';
import { formatSize } from './size.ts';
import type { Seen } from './status-seen.ts';

type Row = readonly [name: string, text: string];

const NAME_WIDTH = 'last save'.length + 2;

/** @param seen what was found out by looking; undefined where nobody looked */
export function statusLines(answer: Replies['status'], seen: Seen | undefined, now: number): string {
  const { state, since, saved, enclave, pid, version, started } = answer;
  const usage = seen?.enclave;
  const rows: Row[] = [
    ['state', `${state} since ${moment(since, now)}`],
    ...(usage ? [['changes', changes(answer, usage, now)] as const] : []),
    ...(saved ? [['last save', `${moment(saved.at, now)}, ${formatSize(saved.bytes)}`] as const] : []),
    ...(enclave ? enclaveRows(enclave, usage) : []),
    ...(seen ? vaultRows(seen, now) : []),
    ...(enclave?.holders ?? []).map(({ pid, command }): Row => ['held by', `process ${pid} (${printable(command)})`]),
    ['init', `pid ${pid}, version ${version}, started ${moment(started, now)}`],
    ['autosave', AUTOSAVE[answer.autosave]],
    ['stop', stop(answer)],
  ];
  return rows.map(([name, text]) => `${name.padEnd(NAME_WIDTH)}${text}\n`).join('');
}

/** Never more than can be known without opening a file: what was only touched counts as changed. */
function changes({ enclave }: Replies['status'], usage: NonNullable<Seen['enclave']>, now: number): string {
  const { saved, unread, changed } = usage;
  const began = enclave?.safe === undefined ? 'the unlock' : 'the last save';
  if (saved === 'new') return 'not saved yet: there is no vault';
  if (saved === 'unknown') return 'perhaps: an earlier container unlocked it, and this one has not saved yet';
  if (changed !== undefined) return `perhaps: something was written ${moment(changed, now)}, after ${began}`;
  if (unread > 0) return `perhaps: ${count(unread, 'directory', 'directories')} may not be looked into`;
  return `none since ${began}`;
}

function enclaveRows({ ours, bridge }: EnclaveFacts, usage: Seen['enclave']): Row[] {
  const mount = `${ours ? 'mounted by PID 1' : 'mounted by the engine'}, ~/.aws by ${bridge === 'mount' ? 'a mount' : 'a link'}`;
  if (usage === undefined) return [['enclave', mount]];
  const { files, directories, bytes, size, free } = usage;
  const contents = `${count(files, 'file')} in ${count(directories, 'directory', 'directories')}, ${formatSize(bytes)}`;
  return [
    ['enclave', `${contents}; ${formatSize(free)} free of ${formatSize(size)}`],
    ['mount', mount],
  ];
}

function vaultRows({ file, enclave, waiting }: Seen, now: number): Row[] {
  const vault = file
    ? `${VAULT_FILE}, ${formatSize(file.bytes)}, written ${moment(file.written, now)}`
    : `no ${VAULT_FILE}`;
  const foreign = 'was changed by something else: the next save goes beside it';
  return [
    ['vault', vault],
    ...(enclave?.isForeign === true ? [['', foreign] as const] : []),
    ...waiting.map(({ kind, path, bytes, written }): Row => [
      kind,
      `${escapeName(path)}, ${formatSize(bytes)}, written ${moment(written, now)}`,
    ]),
  ];
}

const AUTOSAVE: Readonly<Record<AutosaveState, string>> = {
  off: 'off: what changes is saved at the lock, at the end, and by `tazpod save`',
  idle: 'on',
  pending: 'on: what has changed is about to be saved',
  partial: 'on, but not all of the enclave can be watched: `tazpod save` saves all',
  failing: 'on, but it fails: `tazpod save` tells why',
};

function stop({ stopSignals, stopTimeout }: Replies['status']): string {
  const kill = stopTimeout === undefined ? 'never KILL' : `KILL after ${stopTimeout / 1000} s`;
  return `at ${stopSignals.join(', ')}; ${kill}`;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
