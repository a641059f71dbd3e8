// What a person is told where the system does not let an entry be written.

import { errnoName, reasonOf, TazpodError } from './errors.ts';
import { quoteName } from './escape.ts';

/**
 * @param cause is given back as it is if it says that already, of another entry
 * @param path in the tree, bytes kept as names are there
 */
export function unwritable(cause: unknown, path: string): TazpodError {
  if (cause instanceof TazpodError) return cause;
  const message = `cannot write ${quoteName(Buffer.from(path, 'latin1'))}: ${reasonOf(cause)}`;
  switch (errnoName(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new TazpodError('too-big', message, {
        hint: 'raise TAZPOD_ENCLAVE_SIZE (tazpod vault extract: find more space): every file takes whole pages of 4 KiB',
        cause,
      });
    case 'ENAMETOOLONG':
      return new TazpodError('refused-entry', message, { cause });
    case undefined:
    default:
      return new TazpodError('unexpected', message, { cause });
  }
}
