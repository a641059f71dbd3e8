// Every message of docs/troubleshooting.md, produced by what the page says leads to it.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, chown, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { CAPABILITIES } from '../../sandbox/launch.ts';
import { BRIDGE_TARGET, CONTROL_SOCKET, ENCLAVE, VAULT_FILE } from '../../lib/paths.ts';
import { placeHooks, SHOW_HOOKS } from '../support/hooks.ts';
import { createPod, SECRET_FILE, startPod, WAIT, WITH_SECRET, type PodOptions } from '../support/pod.ts';
import { INITS, type Running, type Sandbox } from '../support/sandbox.ts';
import { CONTENTS, defaultVault, sealVault, vaultPath } from '../support/vault.ts';

const OPERATOR = 1000;
const PAGE = readFileSync(join(import.meta.dirname, '../../docs/troubleshooting.md'), 'utf8');
const MESSAGES = Array.from(PAGE.matchAll(/^### `(.+)`$/gm), ([, message = '']) => message);

/** What is said, as the page says it. */
function patternOf(message: string): RegExp {
  const parts = message.split('…').map((part) => RegExp.escape(part.trim()));
  return new RegExp(parts.join('[^\\n]*'));
}

interface Situation extends PodOptions {
  readonly vault?: () => Promise<Uint8Array>;
  /** What is changed before the start. */
  readonly change?: (pod: Sandbox) => Promise<unknown>;
  readonly command?: readonly string[];
  /** What is done while it runs, and what that says; else the container runs to its end. */
  readonly meanwhile?: (running: Running, pod: Sandbox) => Promise<string>;
}

/** What is said in a situation, all in all. */
async function saidIn(situation: Situation): Promise<string> {
  const { vault, change, meanwhile, command = meanwhile ? WAIT : ['true'], variables, ...options } = situation;
  await using pod = await createPod(await vault?.());
  await change?.(pod);
  const running = await startPod(pod, command, {
    ...options,
    variables: { TAZPOD_LOG_FORMAT: 'pretty', ...variables },
  });
  let more = '';
  if (meanwhile) {
    await running.stdout.waitFor('ready');
    more = await meanwhile(running, pod);
    running.signal('SIGTERM');
  }
  await running.exited;
  return more + (await running.stderr.whole());
}

const UNLOCKED = { ...WITH_SECRET, variables: { ...WITH_SECRET.variables, TAZPOD_AUTOSAVE: 'off' } };
const without = (capability: string): readonly string[] => CAPABILITIES.filter((name) => name !== capability);

/** Calls a program in the container as the operator. */
async function call(running: Running, command: readonly string[], input = ''): Promise<string> {
  const { stderr } = await running.exec(['setsid', '--wait', ...command], { user: OPERATOR, input });
  return stderr;
}

const SITUATIONS: Readonly<Record<string, Situation>> = {
  'cannot serve the operator as root without CAP_…': { capabilities: without('kill') },
  'cannot mount /home/tazpod/secrets: CAP_SYS_ADMIN is missing': { ...UNLOCKED, capabilities: without('sys_admin') },
  'cannot start with this configuration: …': { variables: { TAZPOD_ENCLAVE_SIZE: 'plenty' } },
  'cannot find the account "…" in /etc/passwd': { variables: { TAZPOD_USER: 'nobody-of-this-name' } },
  'not PID 1: only orphans of our own descendants are reaped …': {
    meanwhile: (running) => call(running, [INITS.ours, '--', 'true']),
  },
  'cannot make the identity directories in /workspace/.tazpod: …': {
    prepare: 'chown 0:0 /workspace; chmod 700 /workspace',
  },
  'nothing can be saved: /workspace belongs to uid …; the operator … may not write there, nor become that uid: …': {
    prepare: 'chown 0:0 /workspace',
  },
  'the operator is uid …, whose /workspace is, but has no account: …': { prepare: 'chown -hR 1234:1234 /workspace' },
  'no control socket: cannot write to /run/tazpod …': {
    capabilities: without('sys_admin'),
    prepare: 'mount -o remount,bind,ro /',
  },
  'another tazpod-entrypoint serves this container: …': {
    meanwhile: async (running) => (await running.exec([INITS.ours, '-s', '--', 'true'])).stderr,
  },
  'cannot open the vault: wrong passphrase or corrupt file': { ...UNLOCKED, secret: 'wrong' },
  'cannot open the vault: it is too short …': {
    ...UNLOCKED,
    vault: async () => (await defaultVault()).subarray(0, 50),
  },
  'cannot read the passphrase file …: it is a directory': {
    variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE },
    prepare: `mkdir -p ${SECRET_FILE}`,
  },
  'cannot read the passphrase file … as root: … is not root’s alone': {
    variables: { TAZPOD_PASSPHRASE_FILE: '/home/tazpod/passphrase' },
    prepare: 'printf x >/home/tazpod/passphrase; chmod 400 /home/tazpod/passphrase',
  },
  'cannot unlock: there is no passphrase, and no terminal to ask on': { variables: { TAZPOD_UNLOCK: 'prompt' } },
  'cannot ask for the passphrase: there is no terminal': {
    meanwhile: (running) => call(running, ['tazpod', 'unlock']),
  },
  'cannot read the vault …: permission denied': {
    ...UNLOCKED,
    change: async ({ bundle }) => {
      await chown(vaultPath(bundle), 0, 0);
      await chmod(vaultPath(bundle), 0o600);
    },
  },
  'cannot read the vault …: it is a directory': { ...UNLOCKED, prepare: `rm ${VAULT_FILE}; mkdir ${VAULT_FILE}` },
  'cannot read the vault …: it is itself a mount point, which a save cannot replace': {
    ...UNLOCKED,
    prepare: `mount --bind ${VAULT_FILE} ${VAULT_FILE}`,
  },
  'there is no vault at …: beginning with an empty one': { ...UNLOCKED, change: ({ bundle }) => rm(vaultPath(bundle)) },
  'cannot write "…": no space left on device': {
    ...UNLOCKED,
    vault: () => sealVault({ ...CONTENTS, large: randomBytes(100_000), larger: randomBytes(100_000) }),
    variables: { ...UNLOCKED.variables, TAZPOD_ENCLAVE_SIZE: '208k' },
  },
  'cannot accept the entry "…": …': {
    ...UNLOCKED,
    secret: 'pw',
    vault: () => readFile(join(import.meta.dirname, '../vectors/traversal-dotdot.tar.aes')),
  },
  '/home/tazpod/.aws has contents of its own, in the clear: …': {
    ...UNLOCKED,
    prepare: `mkdir ${BRIDGE_TARGET}; echo old >${BRIDGE_TARGET}/credentials; chown -R 1000:1000 ${BRIDGE_TARGET}`,
  },
  'cannot use /home/tazpod/secrets: it is a … mount, and secrets must stay in RAM': {
    ...UNLOCKED,
    prepare: `mkdir -p ${ENCLAVE} /disk; mount --bind /disk ${ENCLAVE}`,
  },
  '… is left out: it is a socket': {
    ...UNLOCKED,
    command: ['python3', '-c', `import socket; socket.socket(socket.AF_UNIX).bind("${ENCLAVE}/agent")`],
  },
  'cannot save over …: it was changed by something else meanwhile': {
    ...UNLOCKED,
    meanwhile: async (running, { bundle }) => {
      await running.exec(['sh', '-c', `echo new >${ENCLAVE}/new`], { user: OPERATOR });
      await writeFile(vaultPath(bundle), await sealVault({ other: 'by another container' }));
      return call(running, ['tazpod', 'save']);
    },
  },
  'cannot save …: read-only file system': {
    ...UNLOCKED,
    prepare: readOnlyWorkspace(),
    command: ['sh', '-c', `echo new >${ENCLAVE}/new`],
  },
  'what was not saved is in an encrypted copy: …': {
    ...UNLOCKED,
    prepare: readOnlyWorkspace(),
    command: ['sh', '-c', `echo new >${ENCLAVE}/new`],
  },
  'process … still holds the enclave, which is empty': {
    ...UNLOCKED,
    command: ['sh', '-c', `cd ${ENCLAVE}; echo ready; exec sleep infinity`],
    meanwhile: (running) => call(running, ['tazpod', 'lock']),
  },
  'the command did not end within … s: killing it': {
    variables: { TAZPOD_STOP_TIMEOUT: '1s' },
    command: ['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'],
    meanwhile: async () => '',
  },
  'the hook … failed: …': {
    change: (sandbox) => placeHooks(sandbox, { 'stopping.d/10-fails': '#!/bin/sh\nexit 1\n' }),
    prepare: SHOW_HOOKS,
  },
  '… is no hook: …': {
    change: (sandbox) => placeHooks(sandbox, { 'stopping.d/10-name.sh': '#!/bin/sh\n' }),
    prepare: SHOW_HOOKS,
  },
  'cannot reach PID 1 at /run/tazpod/control.sock: …': {
    meanwhile: async (running) => {
      await running.exec(['rm', CONTROL_SOCKET]);
      return call(running, ['tazpod', 'status']);
    },
  },
};

function readOnlyWorkspace(): string {
  return 'mount --bind /workspace /workspace; mount -o remount,bind,ro /workspace\n';
}

describe('docs/troubleshooting.md', () => {
  test('has a situation for each of its messages, and each once', () => {
    expect(MESSAGES).toEqual(Object.keys(SITUATIONS));
  });

  test.each(MESSAGES)('%s', async (message) => {
    const situation = SITUATIONS[message];
    if (situation === undefined) throw new Error('no situation leads to this message');
    expect(await saidIn(situation)).toMatch(patternOf(message));
  });
});
