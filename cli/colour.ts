// Colour for the word by which a message is known to be an error or a warning: on a terminal that has colours, unless the
// environment says otherwise. NO_COLOR (no-color.org): none; FORCE_COLOR (force-color.org): in a pipe, too; both: none.
// PID 1 goes by the same rules, in a file of its own: it shares no such thing with the tool.

const CODES = { red: 31, yellow: 33 } as const;

/** @param onTerminal whether what is written goes to a terminal */
export function wantsColour(environment: Readonly<Record<string, string | undefined>>, onTerminal: boolean): boolean {
  // An empty variable counts as not set.
  const { NO_COLOR: none, FORCE_COLOR: forced, TERM: terminal } = environment;
  if (none) return false;
  if (forced) return forced !== '0' && forced !== 'false';
  return onTerminal && terminal !== undefined && terminal !== '' && terminal !== 'dumb';
}

export function paint(text: string, colour: keyof typeof CODES): string {
  return `\u001B[${CODES[colour]}m${text}\u001B[m`;
}
