// Runs a program as PID 1 of a container made by `enter`: fresh namespaces, the bundle's files, no engine.
// Nothing of it outlives PID 1, and PID 1 does not outlive this process, however that ends.

import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

import { errnoName, TazpodError } from '../lib/errors.ts';
import type { Bundle } from './bundle.ts';
import { guard, release } from './guard.ts';
import { launchScript, type Launch } from './launch.ts';
import { unshareCommand } from './namespaces.ts';
import { keepDescriptors, openPipe } from './native.ts';

/** Where the project lies: the container sees it there, too. */
export const PROJECT = join(import.meta.dirname, '..');

/** `closed`: PID 1 starts without it; a number: that descriptor of ours (a file, a terminal). */
export type Stdio = 'pipe' | 'null' | 'closed' | number;

export interface ContainerOptions extends Launch {
  /** `null` unless given. */
  readonly stdin?: Stdio;
  /** `pipe` unless given, as `stderr`. */
  readonly stdout?: Stdio;
  readonly stderr?: Stdio;
  /** Descriptors of ours that PID 1 gets as 3, 4, … (six at most). */
  readonly descriptors?: readonly number[];
}

/** How a process ended, as its parent is told: one of the two is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Container {
  /** PID 1's number on this machine. */
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Whether it runs still; once it does not, its number may belong to another process. */
  readonly running: boolean;
  /** Our ends of what was asked for as `pipe`. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Sends PID 1 a signal from the machine, as an engine does. Nothing happens if it is gone. */
  kill(signal: NodeJS.Signals | number): void;
}

/** Where PID 1's standard error waits during the set-up, whose own complaints come to us on descriptor 2. */
const STANDARD_ERROR = 9;

const living = new Set<Container>();

/** Sends a signal to every container that runs, and tells whether there is one. */
export function passOn(signal: NodeJS.Signals): boolean {
  for (const container of living) container.kill(signal);
  return living.size > 0;
}

/**
 * Starts PID 1. When the promise is fulfilled, its root is made and the init is being executed.
 * @throws TazpodError `cannot-mount` if the container's root cannot be made, with what the set-up said
 */
export async function startContainer(bundle: Bundle, options: ContainerOptions): Promise<Container> {
  const { stdin = 'null', stdout = 'pipe', stderr = 'pipe', descriptors = [] } = options;
  if (descriptors.length > STANDARD_ERROR - 3) throw new TazpodError('usage', 'cannot pass more than six descriptors');
  const redirections = [
    ...(stdin === 'closed' ? ['0<&-'] : []),
    ...(stdout === 'closed' ? ['1>&-'] : []),
    ...(stderr === 'closed'
      ? ['2>&-']
      : stderr === 'null'
        ? ['2>/dev/null']
        : [`2>&${STANDARD_ERROR}`, `${STANDARD_ERROR}>&-`]),
  ];
  await writeFile(join(bundle.directory, 'launch'), launchScript(options, redirections, bundle.namespaces));

  const ends = [theirs(stdin, 'read'), theirs(stdout, 'write'), theirs(stderr, 'write')] as const;
  const between = Array.from({ length: STANDARD_ERROR - 3 }, (_, index) => descriptors[index] ?? 'ignore');
  const [file, ...flags] = unshareCommand(bundle.namespaces);
  keepDescriptors();
  // Plain spawn: here it matters which descriptors the child gets, and execa's own streams would be between.
  const unshare = spawn(file, [...flags, join(import.meta.dirname, 'enter'), bundle.directory, PROJECT], {
    stdio: [ends[0].descriptor, ends[1].descriptor, 'pipe', ...between, ends[2].descriptor],
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
  });
  for (const { descriptor, ours } of ends) {
    if (ours !== undefined && typeof descriptor === 'number') closeSync(descriptor);
  }

  // Until PID 1 is on its own, it dies with unshare(1).
  if (unshare.pid !== undefined) guard(`pid ${unshare.pid}`, bundle.namespaces);
  let running = true;
  let report = '';
  const { promise: ready, resolve: isReady, reject: isNotReady } = Promise.withResolvers<number>();
  unshare.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    report += chunk;
    const pid = READY.exec(report)?.groups?.['pid'];
    if (pid !== undefined) isReady(Number(pid));
  });
  unshare.once('error', isNotReady);
  const exited = new Promise<Exit>((resolve) => {
    unshare.once('close', (code, signal) => {
      running = false;
      if (unshare.pid !== undefined) release(`pid ${unshare.pid}`);
      isNotReady(cannotMake(bundle, report));
      resolve(passedOn({ code, signal }, report));
    });
  });

  const pid = await ready;
  const container: Container = {
    pid,
    exited,
    get running() {
      return running;
    },
    stdin: ends[0].ours,
    stdout: ends[1].ours,
    stderr: ends[2].ours,
    kill(signal) {
      try {
        if (running) process.kill(pid, signal);
      } catch (error) {
        // It may have ended while we have not heard of it yet.
        if (errnoName(error) !== 'ESRCH') throw error;
      }
    },
  };
  living.add(container);
  guard(`pid ${pid}`, bundle.namespaces);
  void exited.then(() => {
    living.delete(container);
    release(`pid ${pid}`);
  });
  return container;
}

/** What PID 1 gets for one of its descriptors, and our end if it is a pipe of ours. */
function theirs(stdio: Stdio, end: 'read' | 'write'): { descriptor: number | 'ignore'; ours?: Socket } {
  if (stdio === 'null' || stdio === 'closed') return { descriptor: 'ignore' };
  if (stdio !== 'pipe') return { descriptor: stdio };
  const pipe = openPipe();
  return end === 'read'
    ? { descriptor: pipe.read, ours: new Socket({ fd: pipe.write, readable: false, writable: true }) }
    : { descriptor: pipe.write, ours: new Socket({ fd: pipe.read, readable: true, writable: false }) };
}

/** What `enter` says when PID 1 is about to be executed, and what unshare(1) has to say after that. */
const READY = /^ready (?<pid>\d+)\n(?<after>[^]*)/m;

/**
 * What PID 1's end was, from unshare(1)'s own: it passes it on whole, the same status, or death by the same signal.
 * Before 2.39 it cannot do so for KILL: it complains that it cannot unblock that, and exits with 1.
 */
function passedOn(exit: Exit, report: string): Exit {
  const complaint = READY.exec(report)?.groups?.['after'] ?? '';
  return exit.code === 1 && complaint.startsWith('unshare: ') ? { code: null, signal: 'SIGKILL' } : exit;
}

function cannotMake({ directory }: Bundle, report: string): TazpodError {
  return new TazpodError('cannot-mount', `cannot make the container's root in ${directory}: ${report.trim()}`);
}
