// Where the passphrase comes from at the start: a file, a variable, or a person at a terminal. None of them is read here but for
// whether a file holds anything at all.

import { dirname, resolve } from 'node:path';

import { TazpodError } from '../../lib/errors.ts';
import { wipe } from '../../lib/passphrase.ts';
import { VAULT_FILE, WORKSPACE } from '../../lib/paths.ts';
import { flags, ok, problem, shown, warning, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';

/** What PID 1 hands on through a pipe. */
const LONGEST = 65_536;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const BY_FILE = flags(
  '-v FILE:/run/secrets/passphrase:ro -e TAZPOD_PASSPHRASE_FILE=/run/secrets/passphrase',
  'secrets: [passphrase], environment: { TAZPOD_PASSPHRASE_FILE: /run/secrets/passphrase }',
);
const WITH_TERMINAL = flags('-it', 'stdin_open: true, tty: true');

export function checkPassphrase(machine: Machine): Finding {
  const { values, hasPassphrase } = machine.settings;
  const file = values.get('TAZPOD_PASSPHRASE_FILE');
  if (hasPassphrase && file !== undefined) {
    return problem(
      'configuration',
      'TAZPOD_PASSPHRASE and TAZPOD_PASSPHRASE_FILE are both set: which is meant cannot be known, and nothing starts',
      'leave TAZPOD_PASSPHRASE out: the file is the better way',
    );
  }
  if (hasPassphrase) {
    return warning(
      'TAZPOD_PASSPHRASE is set: whoever may call docker inspect or docker exec can read the passphrase',
      ...BY_FILE,
    );
  }
  if (file !== undefined) return checkFile(machine, file);
  return ok('no passphrase file and no TAZPOD_PASSPHRASE: it is asked for');
}

function checkFile(machine: Machine, file: string): Finding {
  const { files } = machine;
  const path = resolve('/', file);
  const name = `TAZPOD_PASSPHRASE_FILE ${shown(path)}`;
  const stats = files.targetStats(path);
  if (stats === undefined) return problem('no-passphrase', `${name} does not exist: nothing is unlocked`, ...BY_FILE);
  if (stats.isDirectory()) {
    return problem(
      'no-passphrase',
      `${name} is a directory: docker makes one where a file to be mounted does not exist`,
      'check the path on the host, remove the directory that docker made there, and start the container anew',
    );
  }
  const refusal = machine.refusal(path, 'read');
  if (refusal !== undefined && !isReadableForInit(machine, path)) {
    return problem(
      'no-passphrase',
      `${name} cannot be read by the operator (${refusal}), and is not in a place of root's alone: nothing is unlocked`,
      `chmod a+r FILE on the host, or mount it where only root may write, such as /run/secrets`,
    );
  }
  if (stats.isFile() && isEmpty(machine, path, stats.size)) {
    return problem('no-passphrase', `${name} is empty: nothing is unlocked`, 'write the passphrase into it');
  }
  if (stats.size > LONGEST) {
    return problem(
      'no-passphrase',
      `${name} has more than ${LONGEST} bytes: that is no passphrase`,
      'name the file that holds the passphrase',
    );
  }
  if (path.startsWith(`${WORKSPACE}/`)) {
    const forAll = (stats.mode & 0o004) !== 0 ? ', and everybody may read it' : '';
    return warning(
      `${name} lies in the project, beside the vault that it opens${forAll}: who has a copy of one has both`,
      'keep it elsewhere on the host and mount it alone:',
      ...BY_FILE,
    );
  }
  return refusal === undefined
    ? ok(`${name} can be read`)
    : ok(`${name} is root's alone: PID 1 has it at the start; tazpod unlock in the shell asks`);
}

/** By PID 1's own rule: the operator must not be able to make it open another file of root's. */
function isReadableForInit({ files, initUid, mounts }: Machine, path: string): boolean {
  if (initUid !== 0 || mounts.length === 0 || files.stats(path)?.isSymbolicLink()) return false;
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    const stats = files.stats(parent);
    if (!stats?.isDirectory() || stats.uid !== 0) return false;
    if ((stats.mode & OTHERS_WRITE) !== 0 && (stats.mode & STICKY) === 0) return false;
    if (parent === '/') return true;
  }
}

/** A newline at the end is not part of a passphrase. */
function isEmpty({ files }: Machine, path: string, size: number): boolean {
  if (size > 1) return false;
  const bytes = files.bytes(path) ?? Buffer.alloc(0);
  const isEmpty = bytes.length === 0 || bytes.equals(Buffer.from('\n'));
  wipe(bytes);
  return size === 0 || isEmpty;
}

/** Whether PID 1 can ask, where it would have to. */
export function checkTerminal(machine: Machine): Finding {
  const { init, caller, settings, files, answer } = machine;
  const mode = settings.values.get('TAZPOD_UNLOCK') ?? 'auto';
  const isGiven = settings.hasPassphrase || settings.values.has('TAZPOD_PASSPHRASE_FILE');
  if (init.isDoctor ? caller.onTerminal : init.hasTerminal)
    return ok('PID 1 has a terminal: it can ask for the passphrase');
  if (mode === 'never' || (isGiven && mode !== 'prompt')) {
    return ok(`PID 1 has no terminal, and needs none (TAZPOD_UNLOCK=${shown(mode)})`);
  }
  if (!(answer instanceof TazpodError) && answer.state === 'unlocked') {
    return ok('PID 1 has no terminal to ask on; the vault is unlocked all the same');
  }
  if (mode === 'prompt' || mode === 'required') {
    return problem(
      'no-passphrase',
      `PID 1 has no terminal to ask for the passphrase on, and TAZPOD_UNLOCK=${shown(mode)} tells it to`,
      ...WITH_TERMINAL,
      ...BY_FILE,
    );
  }
  if (files.stats(VAULT_FILE) === undefined)
    return ok('PID 1 has no terminal; there is no vault to ask a passphrase for');
  return warning(
    'PID 1 has no terminal and no passphrase: the vault stays locked until somebody calls tazpod unlock',
    ...WITH_TERMINAL,
    ...BY_FILE,
  );
}
