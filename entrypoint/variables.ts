// What may be set in the environment of the container, in words: the one source of `--help`, the manual pages and the
// README's table. What each may be is checked in configuration.ts.

export interface Variable {
  readonly name: string;
  /** What holds where it is not set. */
  readonly standard: string;
  /** A few words, for `--help`. */
  readonly summary: string;
  /** All that there is to know, for the README and the manual page; code stands in backticks. */
  readonly meaning: string;
}

export const VARIABLES: readonly Variable[] = [
  {
    name: 'TAZPOD_PASSPHRASE',
    standard: '–',
    summary: "the vault's passphrase",
    meaning: 'the passphrase. It stays in `docker inspect` and in every `docker exec`: a file is better',
  },
  {
    name: 'TAZPOD_PASSPHRASE_FILE',
    standard: '–',
    summary: 'a file with it (better)',
    meaning: 'a file with the passphrase; one newline at its end is dropped. Both set: an error',
  },
  {
    name: 'TAZPOD_UNLOCK',
    standard: '`auto`',
    summary: 'auto | prompt | never | required (default auto)',
    meaning:
      '`auto`: with the given passphrase, else ask if there is a terminal and a vault, else stay locked · `prompt` · `never` · `required`: not unlocked = exit 125',
  },
  {
    name: 'TAZPOD_USER',
    standard: '`auto`',
    summary: "the command's account (default auto: tazpod, as /workspace's owner)",
    meaning:
      "the operator: the account that the command runs as, by name or uid, with `/home/tazpod` as its home. `auto`: `tazpod`, as the uid that `/workspace` belongs to, if that is neither root's nor another account's",
  },
  {
    name: 'TAZPOD_ENCLAVE_SIZE',
    standard: '`64m`',
    summary: 'size of the RAM mount (default 64m)',
    meaning: 'size of the RAM mount',
  },
  {
    name: 'TAZPOD_AUTOSAVE',
    standard: '`on`',
    summary: 'on | off (default on)',
    meaning:
      '`on`: what changes is saved by itself while the vault is unlocked · `off`: only at a stop, at a lock and by `tazpod save`',
  },
  {
    name: 'TAZPOD_AUTOLOCK',
    standard: '`off`',
    summary: 'off | last-shell (default off)',
    meaning:
      '`last-shell`: lock, as `tazpod lock` does, when the last interactive shell in the container has ended · `off`: only at a stop and by `tazpod lock`',
  },
  {
    name: 'TAZPOD_STOP_SIGNAL',
    standard: '`TERM`, and `INT` without a terminal',
    summary: 'signals that are stop requests (default TERM; INT too without a terminal)',
    meaning: 'signals that are stop requests',
  },
  {
    name: 'TAZPOD_STOP_TIMEOUT',
    standard: '`5s`',
    summary: 'from a stop request to SIGKILL (default 5s; off: never)',
    meaning: 'from a stop request to `SIGKILL`; `off`: never, exactly as tini',
  },
  {
    name: 'TAZPOD_HOOK_TIMEOUT',
    standard: '`10s`',
    summary: 'what each hook may take (default 10s)',
    meaning: 'what each hook may take, a program of the image that runs at an unlock, a lock or a stop',
  },
  {
    name: 'TAZPOD_RESCUE_DIR',
    standard: '–',
    summary: 'where a rescue copy goes first',
    meaning: 'where an encrypted copy goes first when the last save fails; else `/var/lib/tazpod/rescue`',
  },
  {
    name: 'TAZPOD_LOG_LEVEL',
    standard: '`info`',
    summary: 'fatal | error | warn | info | debug | trace | silent (default info)',
    meaning: "one of pino's levels: `fatal`, `error`, `warn`, `info`, `debug`, `trace`, `silent`",
  },
  {
    name: 'TAZPOD_LOG_FORMAT',
    standard: '`auto`',
    summary: 'json | pretty | auto (default auto: pretty on a terminal)',
    meaning: '`json`, `pretty` or `auto`: pretty on a terminal',
  },
];

/** tini's own, which do as their flags. */
export const TINI_VARIABLES: readonly { readonly name: string; readonly summary: string }[] = [
  { name: 'TINI_SUBREAPER', summary: 'set to anything: as -s' },
  { name: 'TINI_KILL_PROCESS_GROUP', summary: 'set to anything: as -g' },
  { name: 'TINI_VERBOSITY', summary: '0 to 3 (default 1): 0 says errors only, more says more, as -v does' },
];

/** What both programs heed beside, as others do. */
export const TERMINAL_VARIABLES: readonly { readonly name: string; readonly summary: string }[] = [
  { name: 'NO_COLOR', summary: 'set to anything: no colours, whatever FORCE_COLOR says' },
  { name: 'FORCE_COLOR', summary: 'set to anything but 0: colours in a pipe, too' },
  { name: 'TERM', summary: 'dumb, or not set: no colours, and no line that is redrawn in place' },
];
