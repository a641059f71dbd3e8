// The verbs: what each takes, what its help says, and where its work is found. A verb's module is loaded only when it
// is the one asked for, so that `tazpod status` costs nothing of the vault.

import type { Grammar } from './arguments.ts';
import type { Run } from './call.ts';
import {
  COMMON_OPTIONS,
  CONTROL_OPTIONS,
  LIMIT_OPTIONS,
  NEW_PASSPHRASE_OPTIONS,
  PASSPHRASE_OPTIONS,
} from './options.ts';

export interface Verb extends Grammar {
  /** One line for the list of verbs. */
  readonly summary: string;
  /** What there is to know beside the options, in lines. */
  readonly text: readonly string[];
  /** Whether it needs PID 1, and with it an operator. */
  readonly inContainer: boolean;
  /** It gives up root by itself, after what only root may look at. */
  readonly beginsAsRoot?: true;
  readonly takesPassphrase: boolean;
  /** Whether a passphrase, a key or contents come into its memory. */
  readonly seesSecrets: boolean;
  readonly load: () => Promise<Run>;
}

/** Words that are no verbs by themselves: a verb follows each. */
export const GROUPS: Readonly<Record<string, string>> = {
  vault: 'make, list, extract, check or reseal a vault file anywhere',
};

/** The one verb that needs no grammar: it takes the words of another. */
export const HELP = { word: 'help', text: 'show this help, or that of a verb' } as const;

const ORDER_OF_SOURCES = [
  'The passphrase comes from --passphrase-file or --passphrase-fd (one newline at the end is',
  'dropped), else from TAZPOD_PASSPHRASE_FILE or TAZPOD_PASSPHRASE, else it is asked for on the terminal.',
];

const BOTH_PASSPHRASES = [
  'The old passphrase is needed: from --passphrase-file or --passphrase-fd, or typed. The variables do not count.',
  'The new one comes from --new-passphrase-file or --new-passphrase-fd, else it is asked for twice.',
];

export const VERBS: readonly Verb[] = [
  {
    name: 'unlock',
    operands: [],
    options: { ...PASSPHRASE_OPTIONS, ...COMMON_OPTIONS, ...CONTROL_OPTIONS },
    summary: 'decrypt the vault into the enclave',
    text: [
      'Mounts the enclave ~/secrets in RAM, extracts the vault into it and shows its .aws as ~/.aws.',
      'Either all of that happens or none of it. Where there is no vault yet an empty one is begun.',
      'Warns of what waits for you: conflict files beside the vault, and rescue copies of saves that failed.',
      '',
      ...ORDER_OF_SOURCES,
    ],
    inContainer: true,
    takesPassphrase: true,
    seesSecrets: true,
    load: async () => (await import('./unlock.ts')).unlock,
  },
  {
    name: 'lock',
    operands: [],
    options: {
      discard: { type: 'boolean', text: 'do not save: what changed since the last save is lost' },
      kill: { type: 'boolean', text: 'after the save, end your processes that hold the enclave' },
      ...COMMON_OPTIONS,
      ...CONTROL_OPTIONS,
    },
    summary: 'save what changed and destroy the enclave',
    text: [
      'Wipes and unmounts the enclave, after saving it. When the save fails, or something cannot be',
      'saved, the enclave stays unlocked: --discard locks all the same.',
      '',
      'Processes that have something of it open, or work in it, are named; they are left with nothing.',
      '--kill ends them: TERM, a second later KILL. It spares the processes of others, the shell that you',
      'call it from and what that was started from, and the command of the container.',
    ],
    inContainer: true,
    takesPassphrase: false,
    seesSecrets: true,
    load: async () => (await import('./lock.ts')).lock,
  },
  {
    name: 'save',
    operands: [],
    options: {
      rescue: {
        type: 'string',
        value: 'DIR',
        text: 'write an encrypted copy into DIR instead of the vault; given again: where the first cannot be written to',
      },
      ...COMMON_OPTIONS,
      ...CONTROL_OPTIONS,
    },
    summary: 'write the enclave to the vault if it changed',
    text: [
      'The new vault replaces the old one only after it has been read back and verified. What an unlock',
      'would not accept (sockets, devices, links that leave the enclave) is left out and named.',
      'A vault that something else has changed is not replaced: the new one goes beside it (14).',
      '',
      'With --rescue the vault stays as it is: DIR gets a file vault.tar.aes.rescue-TIME, which',
      '"tazpod vault list" and "extract" open with the same passphrase.',
    ],
    inContainer: true,
    takesPassphrase: false,
    seesSecrets: true,
    load: async () => (await import('./save.ts')).save,
  },
  {
    name: 'run',
    operands: [],
    takesCommand: true,
    options: { ...PASSPHRASE_OPTIONS, ...COMMON_OPTIONS },
    summary: 'run a command with the vault unlocked',
    text: [
      'Unlocks the vault unless it is unlocked, runs COMMAND on the same terminal and in the same directory, and',
      'saves and locks if it was this call that unlocked, whatever else uses the vault by then. Signals go on to',
      'COMMAND; the lock comes in any case but SIGKILL of tazpod itself. When the save fails the vault stays unlocked.',
      '',
      "Exits with COMMAND's status, 128+n if signal n ended it, 127 where there is no such command, 126 where it",
      'cannot be run; with a status of the list in "tazpod --help" where the vault could not be unlocked or locked.',
      'COMMAND gets the standard streams, no other descriptors, and never TAZPOD_PASSPHRASE.',
      '',
      'What follows the first word that is no option is COMMAND: "--" may be left out. With --json the object is',
      'the last line of standard output, after what COMMAND writes.',
      '',
      ...ORDER_OF_SOURCES,
    ],
    inContainer: true,
    takesPassphrase: true,
    seesSecrets: true,
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'status',
    operands: [],
    options: {
      unlocked: { type: 'boolean', text: 'exit with 18 unless the vault is unlocked; ask PID 1, and look at nothing' },
      ...COMMON_OPTIONS,
      ...CONTROL_OPTIONS,
    },
    summary: 'tell what is unlocked, saved, waiting, and who holds it',
    text: [
      'Tells the state and since when; whether something may have changed since the last save; when that was; how',
      'much the enclave holds and has room for; the vault file, and the conflict and rescue files beside it that',
      'wait for you; the processes that hold the enclave; and how PID 1 saves and stops. Needs no passphrase.',
      '',
      'Exits with 0, locked or not, as long as PID 1 answers: a health check is "tazpod status --quiet", which prints',
      'nothing and looks at nothing; a script asks with "tazpod status --unlocked --quiet".',
      '',
      '"changes" goes by the times that the kernel gives files, not by contents: "none" means that nothing has been',
      'written, removed, renamed or given another mode since the last save began; "perhaps" that something has, be it',
      'with the same contents ("tazpod save" compares those). Not seen is what is written through a mapping of a',
      'file (mmap), or while the clock is set back.',
    ],
    inContainer: true,
    takesPassphrase: false,
    seesSecrets: false,
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'passwd',
    operands: [],
    options: { ...PASSPHRASE_OPTIONS, ...NEW_PASSPHRASE_OPTIONS, ...COMMON_OPTIONS },
    summary: 'give the vault another passphrase',
    text: [
      'Works locked and unlocked. Unlocked, it saves what the enclave holds, and the saves to come are under the',
      'new passphrase, too. The new vault replaces the old one only after it has been read back and verified;',
      'whatever happens meanwhile, one of the two is there, whole. A vault that something else has changed keeps',
      'its passphrase (14).',
      '',
      'Copies from before (.bak, conflict and rescue files) open with the passphrase that they were made with.',
      '',
      ...BOTH_PASSPHRASES,
    ],
    inContainer: true,
    takesPassphrase: false,
    seesSecrets: true,
    load: async () => (await import('./passwd.ts')).passwd,
  },
  {
    name: 'doctor',
    operands: [],
    options: COMMON_OPTIONS,
    summary: 'check what everything depends on, and say what mends it',
    text: [
      'Looks at PID 1, its capabilities and confinement, the operator, the workspace, the vault, the enclave and',
      'where the passphrase comes from; changes nothing. Works also where nothing else does, as root and as the',
      'operator, and with the flags of a container that does not start:',
      '  docker run … --entrypoint tazpod IMAGE doctor',
      '',
      'With --json, "checks" is a list of { check, state, message, hint, code }: state is ok, warning or problem,',
      'hint (one remedy a line) comes with the last two, code with a problem. With --quiet what is ok is left out.',
      'Exits with 0 if nothing is wrong (warnings are allowed), else with the status that the first problem leads to.',
    ],
    inContainer: false,
    beginsAsRoot: true,
    takesPassphrase: false,
    seesSecrets: false,
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'vault create',
    operands: ['DIR', 'FILE'],
    options: {
      force: { type: 'boolean', text: 'replace FILE if it exists' },
      ...LIMIT_OPTIONS,
      ...PASSPHRASE_OPTIONS,
      ...COMMON_OPTIONS,
    },
    summary: 'make a vault FILE of the contents of DIR',
    text: ['Works on any machine, without PID 1.', '', ...ORDER_OF_SOURCES],
    inContainer: false,
    takesPassphrase: true,
    seesSecrets: true,
    load: async () => (await import('./vault-create.ts')).vaultCreate,
  },
  {
    name: 'vault list',
    operands: ['FILE'],
    options: { ...LIMIT_OPTIONS, ...PASSPHRASE_OPTIONS, ...COMMON_OPTIONS },
    summary: 'name what a vault FILE holds',
    text: [
      'Works on any machine, without PID 1. One name a line; what is not printable is escaped (\\xNN, \\u{…}).',
      '',
      ...ORDER_OF_SOURCES,
    ],
    inContainer: false,
    takesPassphrase: true,
    seesSecrets: true,
    load: async () => (await import('./vault-list.ts')).vaultList,
  },
  {
    name: 'vault extract',
    operands: ['FILE', 'DIR'],
    options: { ...LIMIT_OPTIONS, ...PASSPHRASE_OPTIONS, ...COMMON_OPTIONS },
    summary: 'extract a vault FILE into a new directory DIR',
    text: [
      'Works on any machine, without PID 1. DIR must not exist yet, or be empty; it is there whole or not',
      'at all. The secrets then lie there in the clear.',
      '',
      ...ORDER_OF_SOURCES,
    ],
    inContainer: false,
    takesPassphrase: true,
    seesSecrets: true,
    load: async () => (await import('./vault-extract.ts')).vaultExtract,
  },
  {
    name: 'vault verify',
    operands: ['FILE'],
    options: { ...LIMIT_OPTIONS, ...PASSPHRASE_OPTIONS, ...COMMON_OPTIONS },
    summary: 'check that a vault FILE would open',
    text: [
      'Works on any machine, without PID 1. Decrypts FILE and reads all of it by the rules of unlock,',
      'without writing anything: 0 if it is sound, 12 or 13 if it is not. Warns where an enclave as large',
      'as --max-size would be too small for it.',
      '',
      ...ORDER_OF_SOURCES,
    ],
    inContainer: false,
    takesPassphrase: true,
    seesSecrets: true,
    load: async () => (await import('./vault-verify.ts')).vaultVerify,
  },
  {
    name: 'vault passwd',
    operands: ['FILE'],
    options: { ...PASSPHRASE_OPTIONS, ...NEW_PASSPHRASE_OPTIONS, ...COMMON_OPTIONS },
    summary: 'give a vault FILE another passphrase',
    text: [
      'Works on any machine, without PID 1. The contents stay as they are, to the byte; the version from before is',
      'kept as FILE.bak, under the old passphrase. For the vault that is unlocked in this container there is',
      '"tazpod passwd".',
      '',
      ...BOTH_PASSPHRASES,
    ],
    inContainer: false,
    takesPassphrase: false,
    seesSecrets: true,
    load: async () => (await import('./vault-passwd.ts')).vaultPasswd,
  },
  {
    name: 'completion',
    operands: ['SHELL'],
    options: { ...COMMON_OPTIONS },
    summary: 'print what lets SHELL complete tazpod (bash, zsh, fish)',
    text: [
      'The image has them in place (for bash, its package bash-completion has to be there, too). Elsewhere:',
      '',
      '  tazpod completion bash >~/.local/share/bash-completion/completions/tazpod',
      '  tazpod completion zsh >DIR/_tazpod     (DIR: one that your $fpath has)',
      '  tazpod completion fish >~/.config/fish/completions/tazpod.fish',
    ],
    inContainer: false,
    takesPassphrase: false,
    seesSecrets: false,
    load: async () => (await import('./completion.ts')).completion,
  },
];
