// Who the tool is: the operator, also when root called it (`docker exec`, a health check), so that a hostile vault or a
// link planted in the workspace can do no more than the operator could. Done before anything else is opened.
// TAZPOD_USER names the account, or gives its uid, as for PID 1.

import { lstatSync, readFileSync } from 'node:fs';
import { errnoName, reasonOf, TazpodError } from '../lib/errors.ts';
import { asRun, findAccount, groupsOf, operatorName } from './accounts.ts';

const ACCOUNTS = '/etc/passwd';
const GROUPS = '/etc/group';

/**
 * Gives up root for good: groups, group, user, then the environment that goes with them. Does nothing for other users.
 * @param optional where there is no such account stay who we are: the `vault` verbs work on any machine
 * @throws TazpodError `configuration` when there is no such account, or it cannot be taken
 */
export function becomeOperator({ optional }: { readonly optional: boolean }): void {
  if (process.geteuid?.() !== 0 || !process.setgroups || !process.setgid || !process.setuid) return;
  const name = operatorName(process.env['TAZPOD_USER']);
  const found = findAccount(readDatabase(ACCOUNTS), name);
  const account = found && asRun(found, (path) => lstatSync(path, { throwIfNoEntry: false }));
  if (optional && (!account || account.uid === 0)) return;
  if (!account) {
    throw new TazpodError('configuration', `cannot become the operator "${name}": ${ACCOUNTS} has no such account`, {
      hint: 'set TAZPOD_USER to the account that the shell runs as',
    });
  }
  if (account.uid === 0) {
    throw new TazpodError('configuration', `cannot become the operator "${name}": it is root`, {
      hint: 'set TAZPOD_USER to an account without privileges',
    });
  }
  try {
    process.setgroups(groupsOf(readDatabase(GROUPS), account));
    process.setgid(account.gid);
    process.setuid(account.uid);
  } catch (error) {
    throw new TazpodError('configuration', `cannot become the operator "${name}": ${reasonOf(error)}`, {
      hint: 'root needs the capabilities SETUID and SETGID for it, or call tazpod as the operator (docker exec -u)',
      cause: error,
    });
  }
  process.env['HOME'] = account.home;
  process.env['USER'] = account.name;
  process.env['LOGNAME'] = account.name;
}

function readDatabase(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoName(error) === 'ENOENT') return '';
    throw new TazpodError('configuration', `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
