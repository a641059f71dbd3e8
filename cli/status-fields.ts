// What `tazpod status --json` says (docs/json.md): the same as the lines for people, with times as ISO 8601 has them, in UTC.

import { escapeName } from '../lib/escape.ts';
import type { Replies } from '../lib/protocol.ts';
import type { Seen } from './status-seen.ts';

export function statusFields(answer: Replies['status'], seen: Seen | undefined): Readonly<Record<string, unknown>> {
  const { state, since, pid, version, started, autosave, stopSignals, stopTimeout, saved, enclave } = answer;
  const usage = seen?.enclave;
  return {
    state,
    since: time(since),
    ...(saved && { saved: { at: time(saved.at), bytes: saved.bytes } }),
    ...(enclave && {
      enclave: {
        mount: enclave.ours ? 'own' : 'engine',
        bridge: enclave.bridge,
        ...(usage && {
          files: usage.files,
          directories: usage.directories,
          bytes: usage.bytes,
          size: usage.size,
          free: usage.free,
          unread: usage.unread,
        }),
        ...(enclave.holders && { holders: enclave.holders }),
      },
    }),
    ...(usage && changesOf(usage)),
    ...(seen?.file && { file: { bytes: seen.file.bytes, written: time(seen.file.written) } }),
    ...(usage && { foreign: usage.isForeign }),
    ...(seen && {
      waiting: seen.waiting.map(({ kind, path, bytes, written }) => ({
        kind,
        path: escapeName(path),
        bytes,
        written: time(written),
      })),
    }),
    init: {
      pid,
      version,
      started: time(started),
      autosave,
      stopSignals,
      ...(stopTimeout === undefined ? {} : { stopTimeout }),
    },
  };
}

function changesOf({ saved, unread, changed }: NonNullable<Seen['enclave']>): Readonly<Record<string, unknown>> {
  const isSaved = saved === 'whole' && unread === 0 && changed === undefined;
  return { changes: isSaved ? 'none' : 'perhaps', ...(changed === undefined ? {} : { changed: time(changed) }) };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
