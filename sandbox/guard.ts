// Tells a process of its own (guard) what there is to kill and to remove, should this one come to an end before it has done so itself:
// a handler of ours would not run when we are killed, and PID 1 may drop the parent-death signal that unshare(1) gave it.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Writable } from 'node:stream';

import { userCommand, type Namespaces } from './namespaces.ts';

/** What is to be undone: a process of this machine, or a bundle's directory. */
export type Guarded = `pid ${number}` | `directory ${string}`;

let pipe: Writable | undefined;

/** Has `item` undone when this process is gone. The first call starts the guard. */
export function guard(item: Guarded, namespaces: Namespaces): void {
  pipe ??= startGuard(namespaces);
  pipe.write(`+${item}\n`);
}

/** For what has been undone. */
export function release(item: Guarded): void {
  pipe?.write(`-${item}\n`);
}

function startGuard(namespaces: Namespaces): Writable {
  const child = spawn(join(import.meta.dirname, 'guard'), userCommand(namespaces), {
    // A session of its own: what ends ours with a signal to all of it must not end the guard.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  // It waits for us, and we do not for it.
  child.unref();
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
  return child.stdin;
}
