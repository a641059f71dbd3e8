// The control protocol, as both ends see it: one JSON object a line, bounded, versioned.
// A client sends one request and waits for its reply before it sends the next. What an unlock or a save holds
// belongs to its connection: when that ends, PID 1 undoes an unlock that was not committed and frees the saver's lock.
// Nothing secret ever goes over it: no passphrase, no key, no contents, no name of a file in the vault.

import { isErrorCode, TazpodError, type ErrorCode } from './errors.ts';

export const PROTOCOL_VERSION = 1;

/** The longest line that PID 1 accepts, in bytes, its newline included. */
export const MAX_LINE_BYTES = 16_384;

/** The longest that it answers. */
export const MAX_REPLY_BYTES = 131_072;

/** As many processes are named in one list of a reply; there may be more. */
export const MOST_HOLDERS = 200;

/** The longest baseline, in characters. */
export const MAX_BASELINE_LENGTH = 1024;

/** The longest path, in characters; `PATH_MAX` of Linux, in bytes. */
const MAX_PATH_LENGTH = 4096;

/**
 * What a client may ask.
 * - `status`: what is the state? With `holders` also who holds the enclave, which takes a look at every process.
 * - `open`: begin an unlock: mount the enclave.
 * - `commit`: end it: bridge `.aws`; from here on the state is unlocked.
 * - `locking`: a lock is about to be asked for: run the hooks that come before it. Answered when they have ended, or their
 *   time is over. Before `save`, so that a hook may save, too.
 * - `save`: take the saver's lock (waits while another holds it) and learn what was saved last.
 * - `replace`: may what was packed be put in its place on disk now? Asked by every saver right before: once the enclave is
 *   being wiped it may have been packed half wiped, and is refused. `baseline` describes the vault as it is about to be.
 * - `saved`: the vault file now holds what `baseline` describes, in so many `bytes`. The lock stays with the connection.
 * - `unchanged`: it held all that was packed already, and nothing was written.
 * - `rescued`: an encrypted copy of the enclave is at `path`.
 * - `close`: lock: unmount the bridge, wipe and unmount the enclave. With `kill`, the operator's processes that hold the enclave
 *   are ended first, all but `caller` and its ancestors.
 *
 * `baseline` describes the vault file and the contents that were read or written last. Only clients understand it;
 * PID 1 keeps it for the next one.
 */
export type Request =
  | { readonly op: 'status'; readonly holders?: true }
  | { readonly op: 'open' }
  | { readonly op: 'commit'; readonly baseline: string }
  | { readonly op: 'locking' }
  | { readonly op: 'save' }
  | { readonly op: 'replace'; readonly baseline?: string }
  | { readonly op: 'saved'; readonly baseline: string; readonly bytes: number }
  | { readonly op: 'unchanged' }
  | { readonly op: 'rescued'; readonly path: string }
  | { readonly op: 'close' }
  | { readonly op: 'close'; readonly kill: true; readonly caller: number };

export type VaultState = 'locked' | 'opening' | 'unlocked' | 'closing';

/** A process that holds the enclave, or held it until it was ended. */
export interface Holder {
  readonly pid: number;
  readonly command: string;
}

/** How the home's `.aws` shows the enclave's: a bind mount, or without the capability a symbolic link. */
export type BridgeKind = 'mount' | 'link';

/**
 * What becomes of changes without being asked for:
 * - `off`: nothing;
 * - `idle`: all that was seen is saved;
 * - `pending`: something was seen, and is about to be saved, or being saved;
 * - `partial`: as `idle`, but not all of the enclave can be watched;
 * - `failing`: the last save that was tried has failed.
 */
export type AutosaveState = 'off' | 'idle' | 'pending' | 'partial' | 'failing';

/** What PID 1 knows of an unlocked enclave. */
export interface EnclaveFacts {
  readonly device: number;
  /** False where the engine made the mount. */
  readonly ours: boolean;
  readonly bridge: BridgeKind;
  readonly baseline: string;
  /** As in the reply to `save`. */
  readonly pending?: string;
  /** Milliseconds since the epoch: what has not changed since then is in the vault. Undefined: nothing was saved since the unlock. */
  readonly safe?: number;
  /** If they were asked for. */
  readonly holders?: readonly Holder[];
}

/** A hook that failed, which keeps nothing from its course. */
export interface HookFailure {
  /** As `unlocked.d/NAME`. */
  readonly hook: string;
  readonly reason: string;
}

/** What PID 1 answers to each request. */
export interface Replies {
  status: {
    readonly state: VaultState;
    /** Milliseconds since the epoch: when this state began. */
    readonly since: number;
    /** The process that answers: 1, unless another program is the container's init. */
    readonly pid: number;
    readonly version: string;
    /** When it was started, as `since`. */
    readonly started: number;
    readonly autosave: AutosaveState;
    /** The signals that are stop requests, by name. */
    readonly stopSignals: readonly string[];
    /** Milliseconds from a stop request to SIGKILL; undefined: never. */
    readonly stopTimeout?: number;
    /** The last save that wrote a vault, in the life of this container. */
    readonly saved?: { readonly at: number; readonly bytes: number };
    /** While it is unlocked. */
    readonly enclave?: EnclaveFacts;
  };
  open: {
    /** The device number (`st_dev`) of the enclave's file system: the only place to extract to. */
    readonly device: number;
    /** What the enclave can hold, in bytes. */
    readonly size: number;
    /** The enclave holds an unlocked vault already: there is nothing to decrypt, only to commit. */
    readonly cached: boolean;
  };
  commit: {
    readonly bridge: BridgeKind;
    /** The home's `.aws` was a directory with contents, which lie covered, in the clear, until the lock. */
    readonly covers: boolean;
    /** Hooks that follow an unlock: they have ended. Not there for a worker of PID 1's, which need not wait for them. */
    readonly failedHooks?: readonly HookFailure[];
  };
  locking: { readonly failedHooks: readonly HookFailure[] };
  save: {
    readonly device: number;
    readonly baseline: string;
    /** The baseline of a saver that was about to replace the vault, and has left without a word: it may have done it. */
    readonly pending?: string;
    /**
     * PID 1 answers nothing from here on, waits for this save, and ends it before it wipes: whoever saves asks no leave
     * and reports nothing but `rescued`.
     */
    readonly final?: true;
  };
  replace: { readonly granted: true };
  saved: { readonly baseline: string };
  unchanged: { readonly safe: number };
  rescued: { readonly path: string };
  close: {
    /** False where the engine gave the enclave: emptied, but still mounted. */
    readonly unmounted: boolean;
    /** Those that hold it still, empty as it is. */
    readonly holders: readonly Holder[];
    /** Those that were ended, if that was asked for. */
    readonly ended: readonly Holder[];
  };
}

export type Op = Request['op'];

/** What stands on the wire for a reply: the reply's fields beside `ok`, or an error a person can act on. */
export type Reply<O extends Op = Op> = ({ readonly ok: true } & Replies[O]) | RefusedReply;

export interface RefusedReply {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

/** One request as its line, newline included. */
export function encodeRequest(request: Request): string {
  return `${JSON.stringify({ v: PROTOCOL_VERSION, ...request })}\n`;
}

/**
 * Reads one request.
 * @param line without its newline
 * @throws TazpodError `usage` for anything that is not a request of this version
 */
export function decodeRequest(line: string): Request {
  const value = parseObject(line);
  if (value['v'] !== PROTOCOL_VERSION) {
    throw new TazpodError('usage', `cannot speak ${versionOf(value)} of the control protocol`, {
      hint: `this PID 1 speaks version ${PROTOCOL_VERSION}: use the tazpod of the same image`,
    });
  }
  const op = value['op'];
  switch (op) {
    case 'open':
    case 'locking':
    case 'save':
    case 'unchanged':
      return { op };
    case 'status':
      return value['holders'] === true ? { op, holders: true } : { op };
    case 'close':
      return value['kill'] === undefined ? { op } : { op, kill: true, caller: callerOf(value) };
    case 'replace':
      return value['baseline'] === undefined
        ? { op }
        : { op, baseline: textOf(value, 'baseline', MAX_BASELINE_LENGTH) };
    case 'commit':
      return { op, baseline: textOf(value, 'baseline', MAX_BASELINE_LENGTH) };
    case 'saved':
      return { op, baseline: textOf(value, 'baseline', MAX_BASELINE_LENGTH), bytes: bytesOf(op, value) };
    case 'rescued':
      return { op, path: textOf(value, 'path', MAX_PATH_LENGTH) };
    default:
      throw new TazpodError('usage', 'cannot tell what the request asks for');
  }
}

function textOf(value: Record<string, unknown>, field: string, longest: number): string {
  const text = value[field];
  if (typeof text === 'string' && text.length <= longest) return text;
  throw new TazpodError(
    'usage',
    `cannot take the request "${String(value['op'])}": its ${field} is missing or too long`,
  );
}

function bytesOf(op: Op, { bytes }: Record<string, unknown>): number {
  if (typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0) return bytes;
  throw new TazpodError('usage', `cannot take the request "${op}": its bytes are missing, or no number of bytes`);
}

function callerOf({ kill, caller }: Record<string, unknown>): number {
  if (kill === true && typeof caller === 'number' && Number.isSafeInteger(caller) && caller > 0) return caller;
  throw new TazpodError('usage', 'cannot take the request "close": to end processes it must say which one asks');
}

/** For a message: what is no number may be any JSON, as long or as deep as a line has room for. */
function versionOf({ v }: Record<string, unknown>): string {
  return typeof v === 'number' ? `version ${v}` : 'a version that is no number';
}

/** One reply as its line, newline included. */
export function encodeReply(reply: Reply): string {
  return `${JSON.stringify(reply)}\n`;
}

/** An error as the reply that tells it. What is not a TazpodError is `unexpected`. */
export function refuse(error: unknown): RefusedReply {
  if (error instanceof TazpodError) {
    const { code, message, hint } = error;
    return { ok: false, code, message, ...(hint === undefined ? {} : { hint }) };
  }
  return {
    ok: false,
    code: 'unexpected',
    message: `cannot go on: ${error instanceof Error ? error.message : String(error)}`,
  };
}

/**
 * Reads the reply to a request of kind `op`. The fields are PID 1's, which is trusted; their types are not checked again.
 * @throws TazpodError the error that PID 1 answered, or `unreachable` for a line that is no reply
 */
export function decodeReply<O extends Op>(_op: O, line: string): Replies[O] {
  const value = replyObject(line);
  if (value['ok'] === true) return value as unknown as Replies[O];
  const { code, message, hint } = value;
  if (value['ok'] !== false || !isErrorCode(code) || typeof message !== 'string') throw unintelligible();
  throw new TazpodError(code, message, { hint: typeof hint === 'string' ? hint : undefined });
}

function replyObject(line: string): Record<string, unknown> {
  try {
    return parseObject(line);
  } catch (error) {
    throw unintelligible(error);
  }
}

function unintelligible(cause?: unknown): TazpodError {
  const hint = 'use the tazpod of the same image as its PID 1';
  return new TazpodError('unreachable', 'cannot understand what PID 1 answered', { hint, cause });
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Not JSON at all: refused below like any other line that is not an object.
  }
  throw new TazpodError('usage', 'cannot read the line: it is not a JSON object');
}

/** Cuts a byte stream into lines, refusing one that is too long. */
export class LineReader {
  readonly #longest: number;
  #rest: Buffer = Buffer.alloc(0);

  /** @param longest in bytes, the newline included */
  constructor(longest = MAX_LINE_BYTES) {
    this.#longest = longest;
  }

  /**
   * The lines that `chunk` completes, without their newlines.
   * @throws TazpodError `usage` when a line grows too long; the connection is of no more use then
   */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      if (end >= this.#longest) throw this.#tooLong();
      lines.push(rest.toString('utf8', 0, end));
      rest = rest.subarray(end + 1);
    }
    if (rest.length >= this.#longest) throw this.#tooLong();
    this.#rest = rest;
    return lines;
  }

  #tooLong(): TazpodError {
    return new TazpodError('usage', `cannot take a line of more than ${this.#longest} bytes`);
  }
}
