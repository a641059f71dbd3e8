// Text of somebody else's choice, such as the command line of a process, made fit for a terminal.

/** Nothing in it may reach the terminal but printable text. */
export function printable(text: string): string {
  return text.replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '?');
}
