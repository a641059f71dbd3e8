// Catching signals: all that an init forwards, as numbers, real-time ones included.
// Caught before anything else happens: until then the kernel drops what is sent to PID 1 (pid_namespaces(7)).
// What arrives is queued until somebody takes it; nothing is lost that the kernel did not merge.

import { constants } from 'node:os';

import { addressOf, callbackFor, checkErrno, eventLoop, libc, signalSet } from './native.ts';

const {
  SIGABRT,
  SIGBUS,
  SIGCHLD,
  SIGFPE,
  SIGILL,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
  SIGSYS,
  SIGTRAP,
  SIGTTIN,
  SIGTTOU,
  SIGUSR1,
} = constants.signals;
const HIGHEST_SIGNAL = 64; // SIGRTMAX
const SIG_UNBLOCK = 1;
const SIG_IGN = 1n;
const UV_SIGNAL = 16; // uv_handle_type of uv.h
/** libuv keeps pointers into these: they must never be collected. */
const signalHandles: Buffer[] = [];

/**
 * Signals that are not caught: the two that cannot be; faults, whose handler would return into the faulty instruction
 * (tini leaves them alone, too); the terminal's two stops, which are about ourselves and ignored; glibc's own (32, 33).
 */
const NOT_CAUGHT: ReadonlySet<number> = new Set([
  SIGKILL,
  SIGSTOP,
  SIGSEGV,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGABRT,
  SIGTRAP,
  SIGSYS,
  SIGTTIN,
  SIGTTOU,
  32,
  33,
]);

/** Every signal that PID 1 catches and hands on, SIGCHLD not among them. */
export const FORWARDED: readonly number[] = Array.from({ length: HIGHEST_SIGNAL }, (_, index) => index + 1).filter(
  (signal) => signal !== SIGCHLD && !NOT_CAUGHT.has(signal),
);

/** Made when one is asked for: most containers never do. */
let names: ReadonlyMap<number, string> | undefined;

/** The name of a signal for messages: `SIGTERM`, `SIGRTMIN+3`, … */
export function signalName(signal: number): string {
  names ??= new Map(
    Object.entries(constants.signals)
      // SIGPOLL, SIGIOT: second names of a number that has a better-known one.
      .filter(([name]) => name !== 'SIGPOLL' && name !== 'SIGIOT')
      .map(([name, number]) => [number, name]),
  );
  return names.get(signal) ?? (signal === 34 ? 'SIGRTMIN' : signal > 34 ? `SIGRTMIN+${signal - 34}` : String(signal));
}

/** The number of a signal by name, with or without `SIG`, in any case (`TERM`, `sigrtmin+3`), or by number. */
export function signalNumber(text: string): number | undefined {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const realtime = /^RTMIN(?:\+([0-9]{1,2}))?$/.exec(name);
  const number = realtime
    ? 34 + Number(realtime[1] ?? 0)
    : /^[0-9]{1,2}$/.test(name)
      ? Number(name)
      : (constants.signals as Record<string, number>)[`SIG${name}`];
  return number !== undefined && number >= 1 && number <= HIGHEST_SIGNAL ? number : undefined;
}

/** What to do with the signals that arrive: one after the other, from the event loop but for `relay`. */
export interface SignalListener {
  /**
   * A signal of FORWARDED, in the very moment that it arrives, before `signal` is asked: a round of the event loop costs
   * as much as all the rest of the way. May make system calls, and leave other work to the event loop.
   * @returns whether that was all there is to do
   */
  readonly relay: (signal: number) => boolean;
  /** A signal of FORWARDED. */
  readonly signal: (signal: number) => void;
  /** A child may have ended. */
  readonly child: () => void;
}

/**
 * Catches signals from now on.
 * @returns a function that says who takes them; until it is called they wait, in order
 */
export function catchSignals(): (listener: SignalListener) => void {
  const waiting: number[] = [];
  let childWaits = false;
  let listener: SignalListener | undefined;
  let scheduled = false;

  const deliver = (): void => {
    scheduled = false;
    if (listener === undefined) return;
    for (const signal of waiting.splice(0)) listener.signal(signal);
    // After the signals: what was sent to the command before it ended goes to nobody else.
    if (!childWaits) return;
    childWaits = false;
    listener.child();
  };
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(deliver);
  };

  listenToSignals([...FORWARDED, SIGCHLD], (signal) => {
    if (signal === SIGCHLD) childWaits = true;
    // None overtakes those that wait.
    else if (waiting.length === 0 && listener?.relay(signal) === true) return;
    else waiting.push(signal);
    schedule();
  });
  // The command has the foreground: a line of ours on a terminal that stops background output (stty tostop) must come
  // out, and not stop us (tini(1) ignores both, too).
  for (const signal of [SIGTTIN, SIGTTOU]) libc.signal(signal, SIG_IGN);
  // Node's --disable-sigusr1 keeps the inspector shut by leaving the signal blocked.
  checkErrno('pthread_sigmask', libc.pthread_sigmask(SIG_UNBLOCK, signalSet(SIGUSR1), null));

  return (taker) => {
    listener = taker;
    schedule();
  };
}

/**
 * Calls `listener` for each signal of `numbers`, real-time ones included, which `process.on` cannot name. The handles
 * live as long as the process and keep its event loop alive.
 * @param listener may make system calls, and hands over to the event loop what is more, as every callback of C's (native.ts)
 */
function listenToSignals(numbers: readonly number[], listener: (signal: number) => void): void {
  const loop = eventLoop();
  // The first argument is the handle's address; nobody asks for it, and as a number no bigint is made of it.
  const callback = callbackFor({ arguments: ['int32', 'int32'], return: 'void' }, (_handle, signal) =>
    listener(signal),
  );
  const size = Number(libc.uv_handle_size(UV_SIGNAL));
  const handles = Buffer.alloc(size * numbers.length);
  signalHandles.push(handles);
  let handle = addressOf(handles);
  for (const number of numbers) {
    libc.uv_signal_init(loop, handle);
    libc.uv_signal_start(handle, callback, number);
    handle += BigInt(size);
  }
}
