// What can go wrong, once for both programs: one error class, its codes, and the exit status of each; and what the system refuses.
// Messages start with "cannot", in lower case, and name the path; the hint says what to do about it.
// No message holds a passphrase, a key or a secret byte. Names out of a vault are escaped before they get here.

import { getSystemErrorMessage, getSystemErrorName } from 'node:util';

/** Exit statuses of `tazpod`: stable, one row for each reason, the same table in `--help` and the README. */
export const EXIT_STATUSES = {
  0: 'ok',
  1: 'unexpected error',
  2: 'usage',
  10: 'bad configuration',
  11: 'no passphrase to be had',
  12: 'wrong passphrase, or corrupt vault',
  13: 'malformed, refused or too big an archive',
  14: 'vault changed on disk (conflict)',
  15: 'save failed',
  16: 'cannot mount (capability)',
  17: 'PID 1 cannot be reached',
  18: 'locked',
} as const;

/** An exit status that `tazpod` ends with by itself (128+n after a signal comes on top). */
export type ExitStatus = keyof typeof EXIT_STATUSES;

const STATUS_OF_CODE = {
  unexpected: 1,
  usage: 2,
  configuration: 10,
  'no-passphrase': 11,
  'wrong-passphrase': 12,
  'malformed-archive': 13,
  'refused-entry': 13,
  'too-big': 13,
  conflict: 14,
  'save-failed': 15,
  'cannot-mount': 16,
  unreachable: 17,
  locked: 18,
} as const satisfies Record<string, ExitStatus>;

/** What went wrong, as a word that programs may compare. */
export type ErrorCode = keyof typeof STATUS_OF_CODE;

/** Whether `value` is one of our error codes (it may have come over the control socket). */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(STATUS_OF_CODE, value);
}

/** An error that a person can act on. Everything else that is thrown is a defect of ours. */
export class TazpodError extends Error {
  override readonly name = 'TazpodError';
  readonly code: ErrorCode;
  /** What to do about it: a sentence, or nothing where the message says it all. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.code = code;
    this.hint = options.hint;
  }

  /** The status that `tazpod` exits with for this error. */
  get exitStatus(): ExitStatus {
    return STATUS_OF_CODE[this.code];
  }
}

/** A failed system call, in the shape of Node's own errors: `code` is the name of the errno. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number) {
    super(`${getSystemErrorName(-errno)}: ${getSystemErrorMessage(-errno)}, ${syscall}`);
    this.code = getSystemErrorName(-errno);
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** The `errno` name of a failed system call (`ENOENT`, …), if `error` is one. */
export function errnoName(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** What went wrong in a few words for a person: the system's own reason where there is one, without the path. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node writes "ENOENT: no such file or directory, open '/x'": the reason stands between the colon and the comma.
  return (errnoName(error) && /^E[A-Z0-9]+: ([^,]+)/.exec(error.message)?.[1]) || error.message;
}
