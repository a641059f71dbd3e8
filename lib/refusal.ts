// Why an entry of an archive, or of a tree that is packed, is refused; and the error that names the entry.

import { TazpodError, type ErrorCode } from './errors.ts';
import { quoteName } from './escape.ts';

/** Why an entry is refused, in words that follow its name: the `cause` of the error that is thrown. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(reason: string, code: ErrorCode = 'refused-entry', hint?: string) {
    super(reason);
    this.code = code;
    this.hint = hint;
  }
}

/** The refusal of what would be more than the target holds. */
export function tooBig(reason: string): Refusal {
  return new Refusal(
    reason,
    'too-big',
    'raise TAZPOD_ENCLAVE_SIZE (tazpod vault: --max-size), or keep less in the vault',
  );
}

/**
 * What a person is told of a refused entry: an error with the refusal's code; its `cause` is the `Refusal`.
 * @param error is given back as it is if it is no refusal
 */
export function naming(name: Buffer, error: unknown): unknown {
  if (!(error instanceof Refusal)) return error;
  const message = `cannot accept the entry ${quoteName(name)}: ${error.message}`;
  return new TazpodError(error.code, message, { hint: error.hint, cause: error });
}
