// The signals that ask the program to end, or its command to do something, while there is a command to run and a vault to
// lock after it: none of them ends us. Before the command runs the first of them is kept; then they go on to it.
// What is typed on a terminal (Ctrl-C) the kernel sends to the command as well, which is in our process group.

import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** SIGUSR1 is not among them: our executable keeps it blocked, so that no inspector opens. */
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR2', 'SIGALRM'] as const;

/** Those that keys send. */
const TYPED: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

/** Catching them, until it is disposed. */
export class CaughtSignals implements Disposable {
  readonly #first = Promise.withResolvers<NodeJS.Signals>();
  #received: NodeJS.Signals | undefined;
  #child: ChildProcess | undefined;
  readonly #take = (signal: NodeJS.Signals): void => {
    this.#received ??= signal;
    this.#first.resolve(signal);
    if (this.#child && !(TYPED.has(signal) && isInForeground())) this.#child.kill(signal);
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#take);
  }

  /** The first that came, if one has come. */
  get received(): NodeJS.Signals | undefined {
    return this.#received;
  }

  /** Resolves with the first that comes. */
  get first(): Promise<NodeJS.Signals> {
    return this.#first.promise;
  }

  /** They go on to this process from now on, until it has ended. */
  goTo(child: ChildProcess): void {
    this.#child = child;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#take);
  }
}

/** Whether our process group is the one that keys are for: proc_pid_stat(5), fields pgrp and tpgid. */
function isInForeground(): boolean {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  // The name in parentheses may hold anything, parentheses too.
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group === foreground;
}
