// Text that somebody else has chosen, for the log: nothing of it reaches a terminal but printable characters.

/** What cannot be printed, line ends and tabs included, becomes a question mark. */
export function printable(text: string): string {
  return text.replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '?');
}
