// `tazpod status`: what a person and a script are told, and that it is true: of what is saved above all.

import { chown, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ENCLAVE, RESCUE_DIRECTORY, VAULT_FILE } from '../../lib/paths.ts';
import { CAPABILITIES } from '../../sandbox/launch.ts';
import { createPod, SECRET_FILE, secretMount, startPod, startUnlocked, WAIT } from '../support/pod.ts';
import type { ExecResult, Running } from '../support/sandbox.ts';
import { CONTENTS, defaultVault, PASSPHRASE, placeVault, savedContents, vaultPath } from '../support/vault.ts';

const OPERATOR = 1000;
/** Nothing is saved but by the test. */
const MANUAL = { variables: { TAZPOD_AUTOSAVE: 'off' } } as const;
const SIZE = Object.values(CONTENTS).reduce((sum, text) => sum + text.length, 0);

async function tazpod(running: Running, ...words: string[]): Promise<ExecResult> {
  return running.exec(['tazpod', ...words], { user: OPERATOR, input: PASSPHRASE });
}

async function lines(running: Running): Promise<string> {
  return (await tazpod(running, 'status')).stdout;
}

async function json(running: Running, ...words: string[]): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = await tazpod(running, 'status', '--json', ...words);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Runs a shell script in the enclave. */
async function shell(running: Running, script: string, user = OPERATOR): Promise<void> {
  const { code, stderr } = await running.exec(['sh', '-ec', `cd ${ENCLAVE}; ${script}`], { user });
  if (code !== 0) throw new Error(`"${script}" failed: ${stderr}`);
}

test('of an unlocked vault: everything, aligned, with ages beside the times', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod, MANUAL);
  await shell(running, 'echo more >more');
  await tazpod(running, 'save');
  const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \((less than a second|\d+ (second|minute)s?) ago\)`;
  const rows = [
    `state      unlocked since ${time}`,
    'changes    none since the last save',
    String.raw`last save  ${time}, \d+ B`,
    `enclave    4 files in 1 directory, ${SIZE + 5} B; 67 MB free of 67 MB`,
    String.raw`mount      mounted by PID 1, ~/\.aws by a mount`,
    String.raw`vault      ${VAULT_FILE}, \d+ B, written ${time}`,
    String.raw`init       pid 1, version \S+, started ${time}`,
    'autosave   off: what changes is saved at the lock, at the end, and by `tazpod save`',
    'stop       at TERM, INT; KILL after 5 s',
  ];
  const { code, stdout, stderr } = await tazpod(running, 'status');
  expect(stdout).toMatch(new RegExp(`^${rows.join('\n')}$`));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('of a locked vault: what there is without an enclave', async () => {
  await using pod = await createPod();
  const running = await startPod(pod, WAIT, { variables: { TAZPOD_STOP_TIMEOUT: 'off', TAZPOD_STOP_SIGNAL: 'QUIT' } });
  await running.stdout.waitFor('ready');
  const names = (await lines(running)).split('\n').map((line) => line.split(' ')[0]);
  expect(names).toEqual(['state', 'vault', 'init', 'autosave', 'stop']);
  expect(await lines(running)).toContain('stop       at QUIT; never KILL\n'.trimEnd());
  const fields = await json(running);
  expect(fields).toMatchObject({ state: 'locked', waiting: [], init: { autosave: 'idle', stopSignals: ['QUIT'] } });
  expect(fields).not.toHaveProperty('enclave');
  expect(fields).not.toHaveProperty('changes');
});

test('a script has the exit status, by whomever it is called; with --quiet nothing is said', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod);
  const statuses = async (user: number) => {
    const quiet = await running.exec(['tazpod', 'status', '--quiet'], { user });
    const unlocked = await running.exec(['tazpod', 'status', '--unlocked', '--quiet'], { user });
    expect([quiet.stdout, quiet.stderr, unlocked.stdout, unlocked.stderr]).toEqual(['', '', '', '']);
    return [quiet.code, unlocked.code];
  };
  expect([await statuses(OPERATOR), await statuses(0)]).toEqual([
    [0, 0],
    [0, 0],
  ]);
  await tazpod(running, 'lock');
  expect([await statuses(OPERATOR), await statuses(0)]).toEqual([
    [0, 18],
    [0, 18],
  ]);
});

test('--unlocked asks PID 1, and looks at nothing', async () => {
  await using pod = await createPod();
  const running = await startUnlocked(pod);
  const { code, stdout } = await tazpod(running, 'status', '--unlocked');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^state {6}unlocked since .*\nenclave .*\ninit .*\nautosave .*\nstop .*$/);
  expect(Object.keys(await json(running, '--unlocked')).sort()).toEqual(
    ['enclave', 'init', 'ok', 'since', 'state', 'vault'].sort(),
  );
});

describe('what is not saved', () => {
  test.for([
    ['a file that is written to', 'echo x >>notes.md'],
    ['a new file with an old time', 'touch -d 2001-01-01 new'],
    ['an old time on a changed file', 'echo x >notes.md; touch -d 2001-01-01 notes.md'],
    ['a removed file', 'rm notes.md'],
    ['a removed file in a directory', 'rm .aws/config'],
    ['a renamed file', 'mv notes.md .aws/notes.md'],
    ['another mode', 'chmod 400 notes.md'],
    ['what was written through the bridge', 'echo x >~tazpod/.aws/config'],
  ] as const)('is told: %s; a save makes it none again', async ([, script]) => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, MANUAL);
    expect(await json(running)).toMatchObject({ changes: 'none' });
    const before = Date.now();
    await shell(running, script);
    const { changed, ...fields } = await json(running);
    expect(fields).toMatchObject({ changes: 'perhaps' });
    expect(Date.parse(String(changed))).toBeGreaterThan(before - 100);
    expect(await lines(running)).toMatch(/^changes {4}perhaps: something was written .* ago\), after the unlock$/m);
    await tazpod(running, 'save');
    expect(await json(running)).toMatchObject({ changes: 'none', saved: { bytes: expect.any(Number) } });
    await shell(running, 'echo more >more');
    expect(await lines(running)).toMatch(/^changes {4}perhaps: something was written .* ago\), after the last save$/m);
  });

  test('what was only touched counts, until a save has compared it, which writes nothing', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, MANUAL);
    await shell(running, 'touch notes.md');
    expect(await json(running)).toMatchObject({ changes: 'perhaps' });
    expect((await tazpod(running, 'save')).stderr).toContain('nothing to save');
    const fields = await json(running);
    expect(fields).toMatchObject({ changes: 'none' });
    expect(fields).not.toHaveProperty('saved');
  });

  test('a new vault is not saved yet', async () => {
    await using pod = await createPod(null);
    const running = await startUnlocked(pod, MANUAL);
    expect(await lines(running)).toMatch(
      new RegExp(`^changes {4}not saved yet: there is no vault\n[^]*^vault {6}no ${VAULT_FILE}$`, 'm'),
    );
    const fields = await json(running);
    expect(fields).toMatchObject({ changes: 'perhaps' });
    expect(fields).not.toHaveProperty('file');
    await tazpod(running, 'save');
    expect(await json(running)).toMatchObject({ changes: 'none', file: { bytes: expect.any(Number) } });
  });

  test('a directory that may not be looked into leaves it open', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, MANUAL);
    await running.exec(['mkdir', '-m', '700', `${ENCLAVE}/root`]);
    expect(await json(running)).toMatchObject({ changes: 'perhaps', enclave: { unread: 1 } });
  });

  test('with autosave there is none when the vault holds it, and not before', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    await shell(running, 'echo new >new');
    await expect.poll(async () => (await json(running))['changes'], { timeout: 20_000 }).toBe('none');
    expect(await savedContents(pod.bundle)).toEqual({ ...CONTENTS, new: 'new\n' });
    expect(await json(running)).toMatchObject({ saved: { bytes: expect.any(Number) }, init: { autosave: 'idle' } });
  });

  test('an autosave that fails is told, until it works again', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod);
    const directory = dirname(vaultPath(pod.bundle));
    await chown(directory, 0, 0);
    await shell(running, 'echo new >new');
    await running.stderr.waitFor('cannot save what has changed');
    expect(await lines(running)).toContain('autosave   on, but it fails: `tazpod save` tells why');
    expect(await json(running)).toMatchObject({ changes: 'perhaps', init: { autosave: 'failing' } });
    await chown(directory, OPERATOR, OPERATOR);
    await shell(running, 'echo newer >new');
    await running.stderr.waitFor('changes are saved again');
    expect(await json(running)).toMatchObject({ changes: 'none', init: { autosave: 'idle' } });
  });
});

test('who holds the enclave is named, with nothing that a terminal would obey; who asks from inside is not', async () => {
  await using pod = await createPod();
  const running = await startPod(pod, ['sh', '-c', 'mkfifo -m 666 /tmp/news; exec 4<>/tmp/news; echo ready; cat <&4'], {
    secret: PASSPHRASE,
    variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE, TAZPOD_UNLOCK: 'required' },
  });
  await running.stdout.waitFor('ready');
  await shell(running, 'tazpod status >/tmp/seen', OPERATOR);
  const seen = await running.exec(['grep', '-c', '^held by .*sh -ec', '/tmp/seen']);
  // The shell that called it is one, the tool is none.
  expect(seen.stdout).toBe('1');
  await shell(running, "setsid sh -c 'echo set $$ >/tmp/news; exec sleep infinity' </dev/null >/dev/null 2>&1 &", 0);
  const [, pid] = await running.stdout.waitFor(/set (\d+)\n/);
  expect(await lines(running)).toContain(`held by    process ${pid} (sleep infinity)\n`);
  expect(await json(running)).toMatchObject({
    enclave: { holders: [{ pid: Number(pid), command: 'sleep infinity' }] },
  });
});

describe('what waits for a person', () => {
  test('a vault that something else has changed, and the conflict that a save makes of it', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, MANUAL);
    expect(await json(running)).toMatchObject({ foreign: false });
    const other = `${vaultPath(pod.bundle)}.other`;
    await writeFile(other, await defaultVault());
    await writeFile(other, 'x', { flag: 'a' });
    await rename(other, vaultPath(pod.bundle));
    expect(await json(running)).toMatchObject({ foreign: true, waiting: [] });
    expect(await lines(running)).toMatch(
      /^vault .*\n {11}was changed by something else: the next save goes beside it$/m,
    );
    await shell(running, 'echo new >new');
    expect(await tazpod(running, 'save')).toMatchObject({ code: 14 });
    const path = expect.stringMatching(new RegExp(`^${VAULT_FILE}\\.conflict-`));
    expect(await json(running)).toMatchObject({ foreign: true, waiting: [{ kind: 'conflict', path }] });
    expect(await lines(running)).toMatch(new RegExp(`^conflict {3}${VAULT_FILE}\\.conflict-\\S+, .*, written `, 'm'));
  });

  test('a rescue copy, until somebody removes it', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, { variables: { ...MANUAL.variables, TAZPOD_RESCUE_DIR: '/tmp/own' } });
    await running.exec(['mkdir', '-m', '777', '/tmp/own']);
    await tazpod(running, 'save', '--rescue', RESCUE_DIRECTORY);
    const environment = { TAZPOD_RESCUE_DIR: '/tmp/own', PATH: '/usr/local/bin:/usr/bin:/bin' };
    await tazpod(running, 'save', '--rescue', '/tmp/own');
    const { stdout } = await running.exec(['tazpod', 'status', '--json'], { user: OPERATOR, environment });
    expect(JSON.parse(stdout)).toMatchObject({
      waiting: [
        { kind: 'rescue', path: expect.stringContaining('/tmp/own/') },
        { kind: 'rescue', path: expect.stringContaining(`${RESCUE_DIRECTORY}/`) },
      ],
    });
    await running.exec(['sh', '-c', `rm /tmp/own/* ${RESCUE_DIRECTORY}/*`]);
    expect(await json(running)).toMatchObject({ waiting: [] });
  });

  test('nothing where the vault was removed, or is again what it was', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, MANUAL);
    await rm(vaultPath(pod.bundle));
    expect(await json(running)).toMatchObject({ foreign: false, waiting: [] });
    await placeVault(pod.bundle, await defaultVault());
    expect(await json(running)).toMatchObject({ foreign: false, waiting: [] });
  });
});

test('an enclave that the engine mounted, without the capability, is told with its link', async () => {
  await using pod = await createPod();
  const tmpfs = `mkdir -p ${ENCLAVE}; mount -t tmpfs -o size=8m,mode=0700,uid=1000,gid=1000 engine ${ENCLAVE}\n`;
  const running = await startPod(pod, WAIT, {
    capabilities: CAPABILITIES.filter((name) => name !== 'sys_admin'),
    prepare: `${secretMount(PASSPHRASE, '0444')}${tmpfs}`,
    variables: { TAZPOD_PASSPHRASE_FILE: SECRET_FILE, TAZPOD_UNLOCK: 'required', ...MANUAL.variables },
  });
  await running.stdout.waitFor('ready');
  expect(await json(running)).toMatchObject({ changes: 'none', enclave: { mount: 'engine', bridge: 'link' } });
  expect(await lines(running)).toMatch(/^mount {6}mounted by the engine, ~\/\.aws by a link$/m);
});
