// Who is PID 1, and whether tazpod-entrypoint runs at all: what /proc tells everybody of a process, and what it tells root
// besides. To be read before root is given up.

import { basename } from 'node:path';

import { wipe } from '../../lib/passphrase.ts';
import { ok, problem, shown, warning, type Finding } from './finding.ts';
import type { Files } from './files.ts';
import type { Machine } from './machine.ts';
import { settingsOf, type Settings } from './settings.ts';

const ENTRYPOINT = 'tazpod-entrypoint';

export interface Init {
  /** Of PID 1, escaped; empty where /proc shows no such process. */
  readonly name: string;
  /** The process that is our init: PID 1, or another where something else is that. */
  readonly entrypoint: number | undefined;
  /** Whether PID 1 is this very program, started in the entrypoint's place. */
  readonly isDoctor: boolean;
  /** Fields of /proc/PID/status of the entrypoint, or of PID 1 where none runs. */
  readonly status: ReadonlyMap<string, string>;
  /** Its security label (AppArmor, SELinux), if it has one. */
  readonly label: string | undefined;
  /** Whether it has a controlling terminal. */
  readonly hasTerminal: boolean;
  /** What it was started with, where we may read that. */
  readonly settings: Settings | undefined;
}

/** @param self our own process number */
export function readInit(files: Files, self: number): Init {
  const entrypoint = findEntrypoint(files);
  const pid = entrypoint ?? 1;
  const label = files.text(`/proc/${pid}/attr/apparmor/current`) ?? files.text(`/proc/${pid}/attr/current`);
  return {
    name: programOf(files, 1),
    entrypoint,
    isDoctor: self === 1,
    status: readStatus(files, pid),
    label: label?.replace(/[\0\n]+$/, '') || undefined,
    hasTerminal: terminalOf(files.text(`/proc/${pid}/stat`)) !== 0,
    settings: readEnvironment(files, pid),
  };
}

function findEntrypoint(files: Files): number | undefined {
  const pids = files
    .names('/proc')
    .map(String)
    .filter((name) => /^[1-9]\d*$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  return pids.find((pid) => programOf(files, pid) === ENTRYPOINT && isOfOurs(files, pid));
}

/** A process of a container in this one, or on this machine, has further numbers: in namespaces of its own. */
function isOfOurs(files: Files, pid: number): boolean {
  return !readStatus(files, pid).get('NSpid')?.includes('\t');
}

/** The name that a program was started by; the kernel's own name for the process where it shows no arguments. */
function programOf(files: Files, pid: number): string {
  const [program] = files.text(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
  return shown(program ? basename(program) : (files.text(`/proc/${pid}/comm`)?.trimEnd() ?? ''));
}

function readStatus(files: Files, pid: number): ReadonlyMap<string, string> {
  const lines = files.text(`/proc/${pid}/status`)?.split('\n') ?? [];
  return new Map(
    lines.flatMap((line) => {
      const [, name, value] = /^(\w+):\s*(.*)$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** tty_nr, proc_pid_stat(5): the fifth field after the command, which stands in parentheses and may hold any. */
function terminalOf(stat: string | undefined): number {
  return Number(stat?.slice(stat.lastIndexOf(')') + 1).split(' ')[5] ?? 0);
}

function readEnvironment(files: Files, pid: number): Settings | undefined {
  const bytes = files.bytes(`/proc/${pid}/environ`);
  // Bytes that no process of a container lacks: an empty one was not ours to read.
  if (bytes === undefined || bytes.length === 0) return undefined;
  try {
    return settingsOf(bytes);
  } finally {
    wipe(bytes);
  }
}

/** Programs that engines put in front of an entrypoint, and what asks for them. */
const IN_FRONT: Readonly<Record<string, readonly [string, ...string[]]>> = {
  pause: ['Kubernetes: shareProcessNamespace: false'],
};
const ENGINES_INIT = ['docker run: leave --init out', 'compose: init: false'] as const;

export function checkInit({ init }: Machine): Finding {
  if (init.entrypoint === 1) return ok(`${ENTRYPOINT} is PID 1`);
  if (init.isDoctor) {
    return ok(`this doctor is PID 1, in ${ENTRYPOINT}'s place: what there is only while that runs cannot be seen`);
  }
  if (init.entrypoint !== undefined) {
    return warning(
      `${init.name} is PID 1, ${ENTRYPOINT} is process ${init.entrypoint}: if PID 1 ends first, nothing is saved`,
      ...(IN_FRONT[init.name] ?? ENGINES_INIT),
    );
  }
  return problem(
    'unreachable',
    `PID 1 is ${init.name || 'unknown'}, and no ${ENTRYPOINT} runs: nobody can unlock, save or lock`,
    'docker run: leave --entrypoint out',
    `image: ENTRYPOINT ["/usr/local/bin/${ENTRYPOINT}"]`,
    'devcontainer.json: "overrideCommand": false',
  );
}
