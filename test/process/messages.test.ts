// What went wrong, with which file, why, and what to do about it: all four in every error that a person may meet.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { ENCLAVE, VAULT_FILE } from '../../lib/paths.ts';
import { createPod, startPod, WAIT } from '../support/pod.ts';
import type { Running, Sandbox } from '../support/sandbox.ts';
import { defaultVault, PASSPHRASE, placeVault } from '../support/vault.ts';

const OPERATOR = 1000;
const DIRECTORY = '/workspace/.tazpod/vault';
const GIVEN = ['--passphrase-file', '-'];

// One container for all of them, unlocked with the same vault at the beginning of each.
let pod: Sandbox;
let running: Running;

beforeAll(async () => {
  pod = await createPod();
  running = await startPod(pod, WAIT, { variables: { TAZPOD_AUTOSAVE: 'off' } });
  await running.stdout.waitFor('ready');
});

beforeEach(async () => {
  await tazpod(['lock', '--discard']);
  await shell(`rm -rf ${VAULT_FILE} /tmp/v; chown ${OPERATOR}:${OPERATOR} ${DIRECTORY}`);
  await placeVault(pod.bundle, await defaultVault());
  await tazpod(['unlock', ...GIVEN]);
});

afterAll(async () => {
  await pod[Symbol.asyncDispose]();
});

async function tazpod(words: readonly string[], input = PASSPHRASE) {
  return running.exec(['tazpod', ...words], { user: OPERATOR, input });
}

/** Runs a shell script as root. */
async function shell(script: string): Promise<void> {
  expect(await running.exec(['sh', '-ec', script])).toMatchObject({ code: 0 });
}

const WHO = 'in a container the operator: change its owner';

test.for<{ name: string; before?: string; words: readonly string[]; input?: string; message: string; hint: string }>([
  {
    name: 'a wrong passphrase',
    before: `cp ${VAULT_FILE} /tmp/v; chmod 644 /tmp/v`,
    words: ['vault', 'list', '/tmp/v', ...GIVEN],
    input: 'wrong',
    message: 'cannot open the vault: wrong passphrase or corrupt file (/tmp/v)',
    hint: 'the passphrase came from standard input; if the passphrase is right, restore the file from its .bak or another copy',
  },
  {
    name: 'a wrong passphrase at the unlock',
    before: 'tazpod lock',
    words: ['unlock', ...GIVEN],
    input: 'wrong',
    message: `cannot open the vault: wrong passphrase or corrupt file (${VAULT_FILE})`,
    hint: 'the passphrase came from standard input; if the passphrase is right, restore the file from its .bak or another copy',
  },
  {
    name: 'a vault file that is not to be read',
    before: 'touch /tmp/v; chmod 600 /tmp/v',
    words: ['vault', 'verify', '/tmp/v', ...GIVEN],
    message: 'cannot read the vault /tmp/v: permission denied',
    hint: `let who calls tazpod read /tmp/v, ${WHO} or its mode`,
  },
  {
    name: 'a vault file that is not there',
    words: ['vault', 'extract', '/host/v', '/tmp/out', ...GIVEN],
    message: 'cannot read the vault /host/v: no such file or directory',
    hint: 'in a container, name it by its path there: what is not mounted is not to be seen',
  },
  {
    name: 'a passphrase file that is not to be read',
    before: 'touch /tmp/v; chmod 600 /tmp/v',
    words: ['vault', 'list', VAULT_FILE, '--passphrase-file', '/tmp/v'],
    message: 'cannot read the passphrase file /tmp/v: permission denied',
    hint: `let who calls tazpod read /tmp/v, ${WHO} or its mode`,
  },
  {
    name: 'a vault that is a directory',
    before: `tazpod lock; rm ${VAULT_FILE}; mkdir ${VAULT_FILE}`,
    words: ['unlock', ...GIVEN],
    message: `cannot read the vault ${VAULT_FILE}: it is a directory`,
    hint: 'move it away',
  },
  {
    name: 'a vault directory that is not to be written to',
    before: `touch ${ENCLAVE}/new; chown 0:0 ${DIRECTORY}`,
    words: ['save'],
    message: `cannot save ${VAULT_FILE}: permission denied`,
    hint: `let who calls tazpod write to ${DIRECTORY}, ${WHO}, on the host if it comes from there; "tazpod save --rescue DIR" writes an encrypted copy elsewhere`,
  },
  {
    name: 'a lock that cannot save',
    before: `touch ${ENCLAVE}/new; chown 0:0 ${DIRECTORY}`,
    words: ['lock'],
    message: `cannot save ${VAULT_FILE}: permission denied`,
    hint: `let who calls tazpod write to ${DIRECTORY}, ${WHO}, on the host if it comes from there; still unlocked; "tazpod lock --discard" locks without saving`,
  },
  {
    name: 'a save that leaves something out',
    before: `mkfifo ${ENCLAVE}/pipe`,
    words: ['save', '--quiet'],
    message: 'cannot save everything: 1 entry left out (named above); the rest is saved',
    hint: 'an unlock would not accept it: remove it, or keep it elsewhere',
  },
  {
    name: 'a rescue into the enclave',
    words: ['save', '--rescue', ENCLAVE],
    message: `cannot write a copy into ${ENCLAVE}: it is in the enclave, and would go with it`,
    hint: 'name a directory on a disk, best on a volume that outlives the container',
  },
])('$name', async ({ before = ':', words, input, message, hint }) => {
  await shell(before);
  const { code, stdout, stderr } = await tazpod(words, input);
  expect(stderr.replace(/^tazpod: warning: .*\n/gm, '')).toBe(`tazpod: ${message}\n  hint: ${hint}`);
  expect(stdout).toBe('');
  expect(code).not.toBe(0);
});

test('a new vault is begun with a word on where an old one might be', async () => {
  await tazpod(['lock']);
  await shell(`rm ${VAULT_FILE}`);
  const { stderr } = await tazpod(['unlock', ...GIVEN]);
  expect(stderr).toContain(
    `there is no vault at ${VAULT_FILE}: beginning with an empty one (if there should be one, see what is mounted at /workspace)`,
  );
});
