// Passphrases are bytes from end to end: never strings (which cannot be wiped), not normalised, not trimmed.
// Whoever holds one wipes it when the work is done.

const NEWLINE = 0x0a;

/**
 * The passphrase that a file (or a pipe) holds: its bytes less one newline at the end, which editors and `echo` add.
 * Only `\n`, and only one: a carriage return or a second newline belongs to the passphrase.
 * @returns a view of the same memory, so that one `wipe` of `contents` clears both
 */
export function passphraseFromFile(contents: Buffer): Buffer {
  return contents.at(-1) === NEWLINE ? contents.subarray(0, -1) : contents;
}

/** Overwrites secret bytes where they lie. Copies made elsewhere are not reached. */
export function wipe(bytes: Buffer): void {
  bytes.fill(0);
}
