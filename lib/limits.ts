// How much an archive may hold. Sizes that the archive claims are never taken on trust: both budgets are counted as
// bytes arrive, and what was decompressed is bounded by what the two limits allow.

export interface ArchiveLimits {
  /** Bytes of file contents that the target holds at most. */
  readonly contents: number;
  /** Files, directories and links at most, parents that had to be made included. */
  readonly entries: number;
}

/** What an enclave of the default size can hold. */
export const DEFAULT_LIMITS: ArchiveLimits = { contents: 64 * 1024 * 1024, entries: 200_000 };

/** What an entry may take in the stream beside its contents: headers, a long name, padding. */
const BYTES_PER_ENTRY = 4096;

/** End blocks and the padding of a whole tar record. */
const SLACK = 1024 * 1024;

/** The longest decompressed stream, in bytes, that an archive within `limits` may have. */
export function streamBudget(limits: ArchiveLimits): number {
  return limits.contents + limits.entries * BYTES_PER_ENTRY + SLACK;
}
