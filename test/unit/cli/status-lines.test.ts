import { expect, test } from 'vitest';

import { statusLines } from '../../../cli/status-lines.ts';
import type { Seen } from '../../../cli/status-seen.ts';
import type { Replies } from '../../../lib/protocol.ts';

const NOW = Date.UTC(2026, 10, 26, 14, 0, 0);
const ANSWER: Replies['status'] = {
  state: 'unlocked',
  since: NOW,
  pid: 1,
  version: '1.2.3',
  started: NOW,
  autosave: 'idle',
  stopSignals: ['TERM'],
  stopTimeout: 500,
  enclave: { device: 7, ours: true, bridge: 'mount', baseline: '', holders: [] },
};
const USAGE = { files: 1, directories: 0, bytes: 10, size: 8e6, free: 7e6, unread: 0, changed: undefined } as const;
const SEEN: Seen = { file: undefined, enclave: { ...USAGE, saved: 'whole', isForeign: false }, waiting: [] };

function row(name: string, answer: Partial<Replies['status']>, enclave: Partial<NonNullable<Seen['enclave']>> = {}) {
  const seen = { ...SEEN, enclave: { ...USAGE, saved: 'whole', isForeign: false, ...enclave } as const };
  const line = statusLines({ ...ANSWER, ...answer }, seen, NOW)
    .split('\n')
    .find((line) => line.startsWith(name));
  return line?.slice('last save  '.length);
}

test('what is not known to be saved is not said to be', () => {
  expect(row('changes', {})).toBe('none since the unlock');
  expect(row('changes', {}, { saved: 'unknown' })).toMatch(/^perhaps: an earlier container unlocked it/);
  expect(row('changes', {}, { saved: 'new' })).toBe('not saved yet: there is no vault');
  expect(row('changes', {}, { unread: 2 })).toBe('perhaps: 2 directories may not be looked into');
  expect(row('changes', {}, { changed: NOW - 60_000 })).toMatch(/^perhaps: .* \(1 minute ago\), after the unlock$/);
});

test('an autosave that does not do all of its work says so', () => {
  expect(row('autosave', {})).toBe('on');
  expect(row('autosave', { autosave: 'pending' })).toContain('about to be saved');
  expect(row('autosave', { autosave: 'partial' })).toContain('not all of the enclave can be watched');
  expect(row('autosave', { autosave: 'failing' })).toContain('it fails');
});

test('what a process calls itself moves no cursor, and forges no row', () => {
  const holders = [{ pid: 7, command: 'vi\u001b[31m\nstate      locked \u202e' }];
  const enclave = { device: 7, ours: true, bridge: 'mount', baseline: '', holders } as const;
  expect(row('held by', { enclave })).toBe('process 7 (vi?[31m?state      locked ?)');
});

test('a name beside the vault moves no cursor', () => {
  const waiting = [{ kind: 'conflict', path: Buffer.from('/vault/a\u001b[31m\n'), bytes: 1, written: NOW }] as const;
  expect(statusLines(ANSWER, { ...SEEN, waiting }, NOW)).toContain('conflict   /vault/a\\x1b[31m\\x0a, 1 B, written ');
});

test('a stop without an end is told as such', () => {
  const { stopTimeout: _, ...endless } = ANSWER;
  expect(statusLines(ANSWER, SEEN, NOW)).toContain('stop       at TERM; KILL after 0.5 s\n');
  expect(statusLines(endless, SEEN, NOW)).toContain('stop       at TERM; never KILL\n');
});
