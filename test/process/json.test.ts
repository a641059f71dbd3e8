// docs/json.md, held to what every verb writes in a real container: each field that comes is on the page with its type, each
// that the page promises comes, and none is on it that never does.

import { afterAll, beforeAll, expect, test } from 'vitest';

import { GROUPS, HELP, VERBS } from '../../cli/verbs.ts';
import { type ErrorCode, TazpodError } from '../../lib/errors.ts';
import { ENCLAVE, VAULT_FILE } from '../../lib/paths.ts';
import { placeHooks, SHOW_HOOKS } from '../support/hooks.ts';
import { CODES, faultsOf, neverSeen, SECTIONS } from '../support/json-page.ts';
import { createPod, startPod } from '../support/pod.ts';
import type { Running, Sandbox } from '../support/sandbox.ts';
import { PASSPHRASE } from '../support/vault.ts';

const OPERATOR = 1000;
const GIVEN = ['--passphrase-file', '-'];

let pod: Sandbox;
let running: Running;

beforeAll(async () => {
  pod = await createPod();
  const fails = '#!/bin/sh\nexit 1\n';
  await placeHooks(pod, { 'unlocked.d/10-fails': fails, 'locking.d/10-fails': fails });
  // What is written to the pipe comes out here: how processes inside say that they are ready.
  const command = ['sh', '-c', 'mkfifo -m 666 /tmp/news; exec 4<>/tmp/news; echo ready; cat <&4'];
  running = await startPod(pod, command, { prepare: SHOW_HOOKS });
  await running.stdout.waitFor('ready');
});

afterAll(async () => {
  await pod[Symbol.asyncDispose]();
});

type Written = Readonly<Record<string, unknown>>;

/** Runs the tool as the operator with `--json`: its status, and the one object that it writes. */
async function tazpod(...words: string[]): Promise<{ readonly code: number | null; readonly written: Written }> {
  const { code, stdout } = await running.exec(['tazpod', ...words, '--json'], { user: OPERATOR, input: PASSPHRASE });
  expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  return { code, written: JSON.parse(stdout) as Written };
}

async function shell(script: string, user = OPERATOR): Promise<void> {
  expect(await running.exec(['sh', '-ec', script], { user })).toMatchObject({ code: 0 });
}

/** Leaves a process with its working directory in the enclave, and waits until it is there. */
async function holdEnclave(user: number): Promise<void> {
  const script = `cd ${ENCLAVE}; echo set >/tmp/news; exec sleep infinity`;
  await shell(`setsid sh -c '${script}' </dev/null >/dev/null 2>&1 &`, user);
  await running.stdout.waitFor('set\n');
}

/** What a verb wrote, call by call, with the statuses that were expected; and nothing but what is on the page. */
async function calls(verb: string, ...expected: (readonly [status: number, ...words: string[]])[]): Promise<Written[]> {
  const all: Written[] = [];
  for (const [status, ...words] of expected) {
    const { code, written } = await tazpod(...verb.split(' '), ...words);
    expect({ code, faults: faultsOf(verb, written) }).toEqual({ code: status, faults: [] });
    all.push(written);
  }
  return all;
}

test('the page has every verb, every error code and its status, and no other', () => {
  const verbs = [...VERBS.map(({ name }) => name), HELP.word, '--version'].map((name) => `tazpod ${name}`);
  expect([...SECTIONS.keys()].sort()).toEqual(['Of every verb', ...verbs].sort());
  const codes: Readonly<Record<ErrorCode, true>> = {
    unexpected: true,
    usage: true,
    configuration: true,
    'no-passphrase': true,
    'wrong-passphrase': true,
    'malformed-archive': true,
    'refused-entry': true,
    'too-big': true,
    conflict: true,
    'save-failed': true,
    'cannot-mount': true,
    unreachable: true,
    locked: true,
  };
  const statuses = Object.keys(codes).map((code) => [code, new TazpodError(code as ErrorCode, 'cannot').exitStatus]);
  expect(Object.fromEntries(CODES)).toEqual(Object.fromEntries(statuses));
});

test('unlock', async () => {
  await shell(`touch ${VAULT_FILE}.conflict-20261126T143000Z`);
  const seen = await calls('unlock', [11, '--passphrase-file', '/nonexistent/p'], [0, ...GIVEN], [0], [2, '--loud']);
  await shell(`rm ${VAULT_FILE}.conflict-20261126T143000Z`);
  expect(neverSeen('unlock', seen)).toEqual([]);
});

test('save', async () => {
  await calls('unlock', [0, ...GIVEN]);
  const seen = await calls('save', [0], [0, '--rescue', '/tmp'], [2, '--rescue', ENCLAVE]);
  await shell(`echo more >${ENCLAVE}/more; mkfifo ${ENCLAVE}/pipe`);
  seen.push(...(await calls('save', [13])));
  await shell(`rm ${ENCLAVE}/pipe`);
  await calls('lock', [0]);
  seen.push(...(await calls('save', [18])));
  expect(neverSeen('save', seen)).toEqual([]);
});

test('lock', async () => {
  await calls('unlock', [0, ...GIVEN]);
  await holdEnclave(OPERATOR);
  await holdEnclave(0);
  const seen = await calls('lock', [0, '--kill'], [0], [2, 'now']);
  expect(neverSeen('lock', seen)).toEqual([]);
});

test('run', async () => {
  await calls('lock', [0]);
  // The command's words come last, where the others have --json.
  const runs = async (...words: string[]): Promise<Written> => {
    const { stdout } = await running.exec(['tazpod', 'run', '--json', ...words], { user: OPERATOR, input: PASSPHRASE });
    return JSON.parse(stdout) as Written;
  };
  const seen = [
    await runs(...GIVEN, '--', 'sh', '-c', 'exit 3'),
    await runs(...GIVEN, '--', 'no-such-command'),
    await runs('--passphrase-file', '/nonexistent/p', '--', 'true'),
    await runs('--'),
  ];
  expect(seen.flatMap((written) => faultsOf('run', written))).toEqual([]);
  expect(seen.map(({ ok, code, status, locked }) => [ok, code, status, locked])).toEqual([
    [true, undefined, 3, true],
    [false, 'usage', 127, true],
    [false, 'no-passphrase', undefined, undefined],
    [false, 'usage', undefined, undefined],
  ]);
  expect(neverSeen('run', seen)).toEqual([]);
});

test('status', async () => {
  await calls('lock', [0]);
  const seen = await calls('status', [0], [18, '--unlocked'], [0, '--quiet'], [2, 'now']);
  await calls('unlock', [0, ...GIVEN]);
  await shell(`echo more >${ENCLAVE}/yet-more`);
  await calls('save', [0]);
  await holdEnclave(OPERATOR);
  await shell(`touch ${ENCLAVE}/touched; cp ${VAULT_FILE} ${VAULT_FILE}.conflict-20261126T143110Z`);
  seen.push(...(await calls('status', [0], [0, '--unlocked'])));
  await shell(`rm ${VAULT_FILE}.conflict-*`);
  await calls('lock', [0, '--kill']);
  expect(neverSeen('status', seen)).toEqual([]);
});

test('passwd', async () => {
  await calls('unlock', [0, ...GIVEN]);
  await shell(`printf %s '${PASSPHRASE}' >/tmp/old; echo new >/tmp/new; mkfifo ${ENCLAVE}/pipe`);
  const [given, back] = [
    [...GIVEN, '--new-passphrase-file', '/tmp/new'],
    ['--passphrase-file', '/tmp/new', '--new-passphrase-file', '/tmp/old'],
  ];
  const seen = await calls('passwd', [13, ...given]);
  await shell(`rm ${ENCLAVE}/pipe`);
  seen.push(
    ...(await calls('passwd', [0, ...back], [0, ...GIVEN, '--new-passphrase-file', '/tmp/old'], [12, ...back])),
  );
  expect(neverSeen('passwd', seen)).toEqual([]);
});

test('doctor', async () => {
  const seen = await calls('doctor', [0]);
  await shell(`chmod 000 ${VAULT_FILE}`, 0);
  seen.push(...(await calls('doctor', [10])));
  await shell(`chmod 600 ${VAULT_FILE}`, 0);
  expect(neverSeen('doctor', seen)).toEqual([]);
});

test('the verbs of vault', async () => {
  await shell(
    'mkdir -p /tmp/tree/directory; cd /tmp/tree; echo x >file; ln -sf file link; ln -f file hard; mkfifo /tmp/pipe',
  );
  const created = await calls('vault create', [0, '/tmp/tree', '/tmp/v', ...GIVEN], [2, '/tmp/tree', '/tmp/v']);
  await shell('mkdir /tmp/odd; mkfifo /tmp/odd/pipe');
  created.push(...(await calls('vault create', [13, '/tmp/odd', '/tmp/odd.aes', ...GIVEN])));
  const listed = await calls('vault list', [0, '/tmp/v', ...GIVEN], [10, '/nonexistent/v']);
  const extracted = await calls(
    'vault extract',
    [0, '/tmp/v', '/tmp/out', ...GIVEN],
    [2, '/tmp/v', '/tmp/out', ...GIVEN],
  );
  const verified = await calls('vault verify', [0, '/tmp/v', ...GIVEN], [12, '/etc/passwd', ...GIVEN]);
  await shell('echo new >/tmp/new');
  const changed = await calls(
    'vault passwd',
    [0, '/tmp/v', ...GIVEN, '--new-passphrase-file', '/tmp/new'],
    [12, '/tmp/v', ...GIVEN, '--new-passphrase-file', '/tmp/new'],
  );
  expect(neverSeen('vault passwd', changed)).toEqual([]);
  expect(neverSeen('vault create', created)).toEqual([]);
  expect(neverSeen('vault list', listed)).toEqual([]);
  expect(neverSeen('vault extract', extracted)).toEqual([]);
  expect(neverSeen('vault verify', verified)).toEqual([]);
});

test('completion, help and the version', async () => {
  const completions = await calls('completion', [0, 'bash'], [0, 'fish'], [2, 'csh']);
  expect(neverSeen('completion', completions)).toEqual([]);
  const helps = await calls('help', [0], [0, 'lock'], [0, Object.keys(GROUPS)[0] ?? ''], [2, 'frobnicate']);
  expect(neverSeen('help', helps)).toEqual([]);
  expect(neverSeen('--version', await calls('--version', [0]))).toEqual([]);
});
