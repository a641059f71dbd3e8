// `--max-size`: how much a vault may hold for the verbs that work on a file anywhere, where no enclave sets the limit.

import { type ArchiveLimits, DEFAULT_LIMITS } from '../lib/limits.ts';
import type { Arguments } from './arguments.ts';
import { parseSize } from './size.ts';

/** @throws TazpodError `usage` for a value that is no size */
export function limitsOf(given: Arguments): ArchiveLimits {
  const text = given.value('max-size');
  if (text === undefined) return DEFAULT_LIMITS;
  const contents = parseSize(text);
  if (contents === undefined) throw given.usage(`cannot use "${text}" for --max-size: it is no size like 64m or 1g`);
  return { ...DEFAULT_LIMITS, contents };
}
