// Another passphrase for the vault of a container: locked and unlocked, through pipes and on a terminal, killed at any moment;
// and for a file anywhere. Whatever happens the vault opens, and what is unlocked is saved under the passphrase that it opens with.

import { chmod, chown, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { ENCLAVE, VAULT_FILE } from '../../lib/paths.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { nsenterCommand } from '../../sandbox/nsenter.ts';
import { Control } from '../support/control.ts';
import { createPod, startPod, wordsInMemory } from '../support/pod.ts';
import { ENVIRONMENT, type ExecResult, type Running, type Sandbox } from '../support/sandbox.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import {
  CONTENTS,
  defaultVault,
  openVault,
  PASSPHRASE,
  placeVault,
  savedContents,
  vaultPath,
} from '../support/vault.ts';

const NEW = 'new-canary-3c5e with a blank';
const CACHE = `${ENCLAVE}/.vault_pass`;
const OLD_GIVEN = ['--passphrase-file', '-'];
/** At how many, one after another, a change is killed. */
const MOMENTS = 8;
const NEW_GIVEN = ['--new-passphrase-file', '/tmp/new'];

// One container for all of them, unlocked with the same vault at the beginning of each.
let pod: Sandbox;
let running: Running;

beforeAll(async () => {
  pod = await createPod();
  running = await startPod(pod, ['sh', '-c', 'echo ready; exec sleep infinity'], {
    variables: { TAZPOD_AUTOSAVE: 'off' },
  });
  await running.stdout.waitFor('ready');
  await shell(`printf '%s\\n' '${NEW}' >/tmp/new; printf '%s\\n' '${PASSPHRASE}' >/tmp/old`);
});

beforeEach(async () => {
  await tazpod(['lock', '--discard']);
  for (const name of await readdir(dirname(vaultPath(pod.bundle))))
    await shell(`rm -f ${dirname(VAULT_FILE)}/${name}`, 0);
  await placeVault(pod.bundle, await defaultVault());
  await unlock();
});

afterAll(async () => {
  await pod[Symbol.asyncDispose]();
});

async function tazpod(words: readonly string[], input: string = PASSPHRASE): Promise<ExecResult> {
  // In a session of its own: without a controlling terminal, whatever the tests have.
  return await running.exec(['setsid', '--wait', 'tazpod', ...words], { user: OPERATOR_ID, input });
}

async function shell(script: string, user = OPERATOR_ID): Promise<string> {
  const { code, stdout, stderr } = await running.exec(['sh', '-ec', script], { user });
  if (code !== 0) throw new Error(`"${script}" failed: ${stderr}`);
  return stdout;
}

async function unlock(passphrase = PASSPHRASE): Promise<void> {
  expect(await tazpod(['unlock', ...OLD_GIVEN], passphrase)).toMatchObject({ code: 0 });
}

const passwd = (...words: string[]): Promise<ExecResult> => tazpod(['passwd', ...OLD_GIVEN, ...NEW_GIVEN, ...words]);
const backup = (): Promise<Buffer> => readFile(`${vaultPath(pod.bundle)}.bak`);

describe('unlocked', () => {
  test('saves what there is under the new passphrase, and so do the saves to come, without a conflict', async () => {
    await shell(`echo more >${ENCLAVE}/more`);
    const { code, stderr } = await passwd();
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(
        /^tazpod: passphrase changed: \/workspace\S+, [\d.]+ \w+\ntazpod: warning: copies from before open with the passphrase that they were made with: \/workspace\S+\.bak$/,
      ),
    });
    expect(await savedContents(pod.bundle, NEW)).toEqual({ ...CONTENTS, more: 'more\n' });
    expect(await openVault(await backup())).toEqual(CONTENTS);
    expect(await shell(`cat ${CACHE}; stat -c ' %a' ${CACHE}`)).toBe(`${NEW} 600`);

    expect((await tazpod(['save'])).stderr).toContain('nothing to save');
    await shell(`echo again >${ENCLAVE}/again`);
    expect(await tazpod(['lock'])).toMatchObject({ code: 0 });
    expect(await savedContents(pod.bundle, NEW)).toMatchObject({ again: 'again\n' });
    expect(await tazpod(['unlock', ...OLD_GIVEN])).toMatchObject({ code: 12 });
    await unlock(NEW);
    expect(await readdir(dirname(vaultPath(pod.bundle)))).toEqual(['vault.tar.aes', 'vault.tar.aes.bak']);
  });

  test('a vault that was never saved gets its file', async () => {
    await tazpod(['lock', '--discard']);
    await shell(`rm ${VAULT_FILE}`);
    await unlock();
    await shell(`echo first >${ENCLAVE}/first`);
    expect(await passwd()).toMatchObject({ code: 0 });
    expect(await savedContents(pod.bundle, NEW)).toEqual({ first: 'first\n' });
  });

  test('a vault that something else has changed keeps its passphrase, and so does the enclave: 14', async () => {
    const theirs = await readFile(vaultPath(pod.bundle));
    theirs[40] = (theirs[40] ?? 0) ^ 1;
    await placeVault(pod.bundle, theirs);
    await shell(`echo more >${ENCLAVE}/more`);
    expect(await passwd()).toMatchObject({
      code: 14,
      stderr: expect.stringMatching(/was changed by something else meanwhile\n {2}hint: nothing was changed/),
    });
    expect(await readFile(vaultPath(pod.bundle))).toEqual(theirs);
    expect(await shell(`cat ${CACHE}`)).toBe(PASSPHRASE);
    expect(await readdir(dirname(vaultPath(pod.bundle)))).toEqual(['vault.tar.aes']);
  });

  test('what no unlock would take is left out, as by a save: 13, and the passphrase is changed', async () => {
    await shell(`mkfifo ${ENCLAVE}/pipe; echo more >${ENCLAVE}/more`);
    const { code, stdout } = await passwd('--json');
    expect(code).toBe(13);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, changed: true, leftOut: [{ name: 'pipe' }] });
    expect(await savedContents(pod.bundle, NEW)).toMatchObject({ more: 'more\n' });
  });

  test('waits for the save that is under way', async () => {
    using saver = await Control.connect(running);
    await saver.request({ op: 'save' });
    using terminal = await Terminal.open();
    const change = onTerminal(terminal, ['tazpod', 'passwd', '--passphrase-file', '/tmp/old', ...NEW_GIVEN]);
    await terminal.screen.waitFor('waiting for another save to end');
    expect(await savedContents(pod.bundle)).toEqual(CONTENTS);
    await saver.end();
    expect(await change).toMatchObject({ code: 0 });
    expect(await savedContents(pod.bundle, NEW)).toEqual(CONTENTS);
  });

  test('a save that waited for it seals under the new one', async () => {
    using changer = await Control.connect(running);
    await changer.request({ op: 'save' });
    using terminal = await Terminal.open();
    const saving = onTerminal(terminal, ['tazpod', 'save']);
    await terminal.screen.waitFor('waiting for another save to end');
    await shell(`printf '%s' '${NEW}' >${CACHE}`);
    await changer.end();
    expect(await saving).toMatchObject({ code: 0 });
    expect(await savedContents(pod.bundle, NEW)).toEqual(CONTENTS);
  });

  test('two at once: one changes it, for the other the old one is wrong by then', async () => {
    const codes = (await Promise.all([passwd(), passwd()])).map(({ code }) => code);
    expect(codes.sort((a, b) => Number(a) - Number(b))).toEqual([0, 12]);
    expect(await savedContents(pod.bundle, NEW)).toEqual(CONTENTS);
  });

  test('that PID 1 knows neither passphrase afterwards', async () => {
    await passwd();
    expect(await wordsInMemory(running.pid, [PASSPHRASE, NEW])).toEqual([]);
  });
});

describe('locked', () => {
  beforeEach(async () => {
    await tazpod(['lock']);
  });

  test('the file is sealed anew, and the enclave stays locked', async () => {
    expect(await passwd()).toMatchObject({ code: 0 });
    expect(await savedContents(pod.bundle, NEW)).toEqual(CONTENTS);
    expect(await openVault(await backup())).toEqual(CONTENTS);
    expect(await tazpod(['status', '--unlocked'])).toMatchObject({ code: 18 });
    await unlock(NEW);
    await shell(`echo more >${ENCLAVE}/more`);
    expect(await tazpod(['save'])).toMatchObject({ code: 0 });
  });

  test('without a vault there is nothing to change: 10', async () => {
    await shell(`rm ${VAULT_FILE}`);
    expect(await passwd()).toMatchObject({ code: 10, stderr: expect.stringContaining('there is no vault at') });
  });

  test('an unlock while the new one is typed: it is changed in the enclave, too', async () => {
    using terminal = await Terminal.open();
    const asking = onTerminal(terminal, ['tazpod', 'passwd']);
    await answer(terminal, 'Old passphrase: ', PASSPHRASE);
    await terminal.screen.waitFor('New passphrase: ');
    await unlock();
    terminal.type(`${NEW}${KEYS.enter}`);
    await answer(terminal, 'New passphrase again: ', NEW);
    expect(await asking).toMatchObject({ code: 0 });
    expect(await shell(`cat ${CACHE}`)).toBe(NEW);
    await shell(`echo more >${ENCLAVE}/more`);
    expect(await tazpod(['save'])).toMatchObject({ code: 0 });
    expect(await savedContents(pod.bundle, NEW)).toMatchObject({ more: 'more\n' });
  });
});

describe.each(['unlocked', 'locked'])('%s', (state) => {
  beforeEach(async () => {
    if (state === 'locked') await tazpod(['lock']);
  });

  const before = () => readFile(vaultPath(pod.bundle));

  async function unchanged(sealed: Buffer): Promise<void> {
    expect(await before()).toEqual(sealed);
    expect(await cached()).toBe(state === 'unlocked' ? PASSPHRASE : '');
  }

  test('on a terminal it asks for the old one and twice for the new one, and shows none of them', async () => {
    using terminal = await Terminal.open();
    const modes = await terminal.modes();
    const asking = onTerminal(terminal, ['tazpod', 'passwd']);
    for (const typed of ['wrong', PASSPHRASE]) await answer(terminal, 'Old passphrase: ', typed);
    for (const typed of [NEW, 'something else', NEW, NEW]) await answer(terminal, /New passphrase( again)?: /, typed);
    expect(await asking).toMatchObject({ code: 0 });
    expect(await terminal.modes()).toBe(modes);
    const screen = await terminal.ended();
    expect(screen).toMatch(/^Old passphrase: \r\nSorry, wrong passphrase — try again\.\r\nOld passphrase: \r\n/);
    expect(screen).toMatch(/the two must match/);
    expect(screen).toMatch(/passphrase changed: /);
    for (const secret of [PASSPHRASE, NEW]) expect(screen).not.toContain(secret.slice(-8));
    expect(await savedContents(pod.bundle, NEW)).toEqual(CONTENTS);
  });

  test('all that is asked for may be typed ahead', async () => {
    using terminal = await Terminal.open();
    const asking = onTerminal(terminal, ['tazpod', 'passwd']);
    await answer(terminal, 'Old passphrase: ', [PASSPHRASE, NEW, NEW].join(KEYS.enter));
    expect(await asking).toMatchObject({ code: 0 });
    expect(await savedContents(pod.bundle, NEW)).toEqual(CONTENTS);
  });

  test('Ctrl-C at any of the questions changes nothing: 130', async () => {
    const sealed = await before();
    for (const answers of [[], [PASSPHRASE], [PASSPHRASE, NEW]]) {
      using terminal = await Terminal.open();
      const asking = onTerminal(terminal, ['tazpod', 'passwd']);
      for (const typed of answers) await answer(terminal, /passphrase( again)?: /, typed);
      await terminal.screen.waitFor(/passphrase( again)?: /);
      terminal.type(KEYS.ctrlC);
      expect(await asking).toMatchObject({ code: 130 });
    }
    await unchanged(sealed);
  });

  const refusals: { name: string; words: string[]; input?: string; code: number; says: RegExp }[] = [
    {
      name: 'the old one is wrong',
      words: [...OLD_GIVEN, ...NEW_GIVEN],
      input: 'wrong',
      code: 12,
      says: /came from standard input/,
    },
    {
      name: 'nobody gives the old one',
      words: NEW_GIVEN,
      code: 11,
      says: /--passphrase-file or --passphrase-fd, or run on a terminal/,
    },
    {
      name: 'nobody gives the new one',
      words: OLD_GIVEN,
      code: 11,
      says: /--new-passphrase-file or --new-passphrase-fd/,
    },
    {
      name: 'the new one is empty',
      words: [...OLD_GIVEN, '--new-passphrase-file', '/dev/null'],
      code: 11,
      says: /empty passphrase/,
    },
    {
      name: 'the old one is empty',
      words: [...OLD_GIVEN, ...NEW_GIVEN],
      input: '\n',
      code: 11,
      says: /empty passphrase/,
    },
    {
      name: 'the new one cannot be read',
      words: [...OLD_GIVEN, '--new-passphrase-file', '/nonexistent/p'],
      code: 11,
      says: /cannot read the passphrase file \/nonexistent\/p/,
    },
    {
      name: 'both come from one pipe',
      words: [...OLD_GIVEN, '--new-passphrase-fd', '0'],
      code: 2,
      says: /both passphrases from descriptor 0/,
    },
    {
      name: 'the new one is given twice',
      words: [...OLD_GIVEN, ...NEW_GIVEN, '--new-passphrase-fd', '3'],
      code: 2,
      says: /both --new-passphrase-file and --new-passphrase-fd/,
    },
  ];

  test.each(refusals)('nothing is changed where $name: $code', async ({ words, input, code, says }) => {
    const sealed = await before();
    expect(await tazpod(['passwd', ...words], input)).toMatchObject({ code, stderr: expect.stringMatching(says) });
    await unchanged(sealed);
  });

  test('the variables do not stand in for the old one', async () => {
    const sealed = await before();
    const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', TAZPOD_PASSPHRASE_FILE: '/tmp/old' };
    const words = ['setsid', '--wait', 'tazpod', 'passwd', ...NEW_GIVEN];
    expect(await running.exec(words, { user: OPERATOR_ID, environment })).toMatchObject({ code: 11 });
    await unchanged(sealed);
  });

  test('a file that the next start will read the old one from is named', async () => {
    const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', TAZPOD_PASSPHRASE_FILE: '/tmp/old' };
    const words = ['tazpod', 'passwd', ...OLD_GIVEN, ...NEW_GIVEN];
    const { stderr } = await running.exec(words, { user: OPERATOR_ID, environment, input: PASSPHRASE });
    expect(stderr).toMatch(/warning: \/tmp\/old \(TAZPOD_PASSPHRASE_FILE\) has to be changed, too/);
    const back = { ...environment, TAZPOD_PASSPHRASE_FILE: '/tmp/new' };
    const again = ['tazpod', 'passwd', ...OLD_GIVEN, '--new-passphrase-file', '/tmp/old'];
    expect((await running.exec(again, { user: OPERATOR_ID, environment: back, input: NEW })).stderr).toContain(
      '/tmp/new',
    );
    const silent = await running.exec([...again.slice(0, -1), '/tmp/new'], {
      user: OPERATOR_ID,
      environment: back,
      input: PASSPHRASE,
    });
    expect(silent.stderr).not.toContain('has to be changed');
  });

  test('the same one again is told, and changes nothing', async () => {
    const sealed = await before();
    const words = ['passwd', ...OLD_GIVEN, '--new-passphrase-file', '/tmp/old'];
    expect(await tazpod(words)).toMatchObject({ code: 0, stderr: expect.stringContaining('nothing was changed') });
    expect(JSON.parse((await tazpod([...words, '--json'])).stdout)).toEqual({
      ok: true,
      changed: false,
      vault: VAULT_FILE,
    });
    await unchanged(sealed);
  });

  test('a vault that cannot be replaced stays, and nothing is left: 15', async () => {
    const directory = dirname(vaultPath(pod.bundle));
    const sealed = await before();
    // In a sticky directory nobody may rename over another's file: the last step of all fails.
    await chown(vaultPath(pod.bundle), 0, 0);
    await chmod(vaultPath(pod.bundle), 0o644);
    await chown(directory, 0, 0);
    await chmod(directory, 0o1777);
    try {
      expect(await passwd()).toMatchObject({ code: 15, stderr: expect.stringContaining('operation not permitted') });
      await unchanged(sealed);
      expect(await shell(`ls -A ${ENCLAVE}`)).toBe(state === 'unlocked' ? '.aws\n.vault_pass\nnotes.md' : '');
    } finally {
      await chmod(directory, 0o755);
      for (const path of [directory, vaultPath(pod.bundle)]) await chown(path, OPERATOR_ID, OPERATOR_ID);
    }
    expect((await readdir(directory)).filter((name) => name.includes('tmp-'))).toEqual([]);
    expect(await passwd()).toMatchObject({ code: 0 });
  });

  test('killed at any moment it leaves the one or the other, whole, and a save goes on under that', async () => {
    let passphrases = [NEW, PASSPHRASE];
    const began = performance.now();
    expect(await passwd()).toMatchObject({ code: 0 });
    const whole = performance.now() - began;
    for (let moment = 0; moment < MOMENTS; moment++) {
      const [old = '', fresh = ''] = passphrases;
      await shell(`printf %s '${old}' >/tmp/from; printf %s '${fresh}' >/tmp/to`);
      const change = 'tazpod passwd --passphrase-file /tmp/from --new-passphrase-file /tmp/to 2>/dev/null';
      const seconds = (moment * whole) / MOMENTS / 1000;
      await shell(`${change} & sleep ${seconds.toFixed(3)}; kill -KILL $! 2>/dev/null || true; wait`);
      await shell(`test ! -e ${CACHE} || echo ${moment} >${ENCLAVE}/moment`);
      expect(await tazpod(['save'])).toMatchObject({ code: state === 'unlocked' ? 0 : 18 });

      const sealed = await before();
      const [inForce = ''] = await passphrasesOf(sealed, passphrases);
      expect(await openVault(sealed, inForce)).toEqual({
        ...CONTENTS,
        ...(state === 'unlocked' && { moment: `${moment}\n` }),
      });
      expect(await cached()).toBe(state === 'unlocked' ? inForce : '');
      passphrases = [inForce, ...passphrases.filter((other) => other !== inForce)];
    }
    const names = await readdir(dirname(vaultPath(pod.bundle)));
    expect(names.filter((name) => /conflict/.test(name))).toEqual([]);
  });
});

/** The steps that a change ends with, in their order: the first system call of that name, or that is given that path. */
const STEPS = {
  'the cache is replaced': ['rename'],
  'the old file becomes the backup': ['link'],
  'the new file replaces it': ['unlink'],
  'PID 1 is told': ['fsync', dirname(VAULT_FILE)],
} as const;

describe('killed right before', () => {
  /** Which passphrases there are when it is killed there, and after the next save. */
  const rows = [
    { step: 'the cache is replaced', killed: { cache: PASSPHRASE, file: PASSPHRASE }, saved: PASSPHRASE },
    { step: 'the old file becomes the backup', killed: { cache: NEW, file: PASSPHRASE }, saved: NEW },
    { step: 'the new file replaces it', killed: { cache: NEW, file: PASSPHRASE }, saved: NEW },
    { step: 'PID 1 is told', killed: { cache: NEW, file: NEW }, saved: NEW },
  ] as const;

  test.each(rows)('$step, unlocked: the next save goes on from there', async ({ step, killed, saved }) => {
    await killAt(step);
    const file = await readFile(vaultPath(pod.bundle));
    expect({ cache: await cached(), file: (await passphrasesOf(file, [PASSPHRASE, NEW]))[0] }).toEqual(killed);
    expect(await tazpod(['lock'])).toMatchObject({ code: 0 });
    expect(await savedContents(pod.bundle, saved)).toEqual(CONTENTS);
    const names = await readdir(dirname(vaultPath(pod.bundle)));
    expect(names.filter((name) => name.includes('conflict'))).toEqual([]);
  });

  test.each([
    { step: 'the old file becomes the backup', opens: PASSPHRASE },
    { step: 'the new file replaces it', opens: PASSPHRASE },
    { step: 'PID 1 is told', opens: NEW },
  ] as const)('$step, locked: the file is the one or the other', async ({ step, opens }) => {
    await tazpod(['lock']);
    await killAt(step);
    expect(await savedContents(pod.bundle, opens)).toEqual(CONTENTS);
    await unlock(opens);
  });
});

/** Runs a change that the kernel ends before that step: strace(1) has the signal come with the system call. */
async function killAt(step: keyof typeof STEPS): Promise<void> {
  const [call, path] = STEPS[step];
  const words = ['tazpod', 'passwd', ...NEW_GIVEN, '--passphrase-file', '/tmp/old'];
  const command = nsenterCommand(running.pid, pod.bundle.namespaces, words, OPERATOR_ID);
  const inject = [
    '-e',
    `trace=${call}`,
    '-e',
    `inject=${call}:signal=KILL:when=1`,
    ...(path === undefined ? [] : ['-P', path]),
  ];
  const traced = await execa('strace', ['-f', '-qq', '-o', '/dev/null', ...inject, ...command], {
    env: ENVIRONMENT,
    extendEnv: false,
    reject: false,
  });
  expect(traced.stderr).not.toContain('passphrase changed');
  expect([traced.exitCode, traced.signal]).toContainEqual(traced.signal === undefined ? 137 : 'SIGKILL');
}

test('killed between the cache and the file, the next save takes it to the new one', async () => {
  // As it is then: nothing else has changed, and what was being written beside the cache may lie there.
  await shell(`printf %s '${NEW}' >${CACHE}.tmp-0123456789abcdef; cp ${CACHE}.tmp-0123456789abcdef ${CACHE}`);
  expect(await tazpod(['lock'])).toMatchObject({ code: 0 });
  expect(await savedContents(pod.bundle, NEW)).toEqual(CONTENTS);
});

test('a vault file anywhere', async () => {
  const file = '/tmp/other.tar.aes';
  await writeFile(running.rootPath(file), await defaultVault());
  await chown(running.rootPath(file), OPERATOR_ID, OPERATOR_ID);
  const words = ['vault', 'passwd', file, ...OLD_GIVEN];
  expect(await tazpod([...words, ...NEW_GIVEN], 'wrong')).toMatchObject({ code: 12 });
  const { code, stdout } = await tazpod([...words, ...NEW_GIVEN, '--json']);
  expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({
    code: 0,
    changed: true,
    older: [{ path: `${file}.bak` }],
  });
  expect(await openVault(await readFile(running.rootPath(file)), NEW)).toEqual(CONTENTS);
  expect(await openVault(await readFile(running.rootPath(`${file}.bak`)))).toEqual(CONTENTS);
});

test('the vault that is unlocked is no file anywhere: 2, and the verb for it is named', async () => {
  const link = '/tmp/link.tar.aes';
  await shell(`ln -sf ${VAULT_FILE} ${link}`);
  for (const file of [VAULT_FILE, link]) {
    expect(await tazpod(['vault', 'passwd', file, ...OLD_GIVEN, ...NEW_GIVEN])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/unlocked here\n {2}hint: "tazpod passwd" changes it/),
    });
  }
  expect(await savedContents(pod.bundle)).toEqual(CONTENTS);
  await tazpod(['lock']);
  expect(await tazpod(['vault', 'passwd', link, ...OLD_GIVEN, ...NEW_GIVEN])).toMatchObject({ code: 0 });
  expect(await savedContents(pod.bundle, NEW)).toEqual(CONTENTS);
});

/** What the enclave keeps; nothing while it is locked. */
async function cached(): Promise<string> {
  return await shell(`test ! -e ${CACHE} || cat ${CACHE}`);
}

/** Those that a vault opens with. */
async function passphrasesOf(sealed: Buffer, candidates: readonly string[]): Promise<string[]> {
  const opens = await Promise.all(
    candidates.map((candidate) =>
      openVault(sealed, candidate).then(
        () => true,
        () => false,
      ),
    ),
  );
  return candidates.filter((_, index) => opens[index]);
}

/** Runs a command on a terminal of the container, as its session's controlling one. */
async function onTerminal(terminal: Terminal, command: readonly string[]): Promise<ExecResult> {
  const script = 'exec "$@" <"$0" >"$0" 2>"$0"';
  await running.exec(['chown', String(OPERATOR_ID), terminal.path]);
  return await running.exec(['setsid', '--wait', 'sh', '-c', script, terminal.path, ...command], { user: OPERATOR_ID });
}

async function answer(terminal: Terminal, question: string | RegExp, typed: string): Promise<void> {
  await terminal.screen.waitFor(question);
  terminal.type(`${typed}${KEYS.enter}`);
}
