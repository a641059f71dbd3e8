import { chmod, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';

import { Session } from './session.ts';
import { SMALL, tazpod } from './tool.ts';

/** What the vault file holds, opened with the small vault's passphrase. */
async function listed(session: Session): Promise<string> {
  return await listedAt(session.vault);
}

async function listedAt(file: string): Promise<string> {
  const { stdout } = await tazpod(['vault', 'list', file, '--passphrase-file', '-'], { input: SMALL.passphrase });
  return stdout;
}

test('writes what changed, keeps the mode, and keeps the version that the session began with', async () => {
  await using session = await Session.begin();
  await chmod(session.vault, 0o640);
  const before = await readFile(session.vault);
  await session.unlock();
  await session.shell('echo new >secrets/first');
  const { code, stdout, stderr } = await session.tazpod(['save']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr).toMatch(/^tazpod: saved: .* in \/workspace\/\.tazpod\/vault\/vault\.tar\.aes$/);
  expect(await listed(session)).toBe('.aws/\n.aws/config\n.aws/credentials\naws_access_key_id\nfirst\n');
  expect((await stat(session.vault)).mode & 0o777).toBe(0o640);

  await session.shell('echo newer >secrets/second');
  expect((await session.tazpod(['save'])).code).toBe(0);
  expect(await listed(session)).toContain('second\n');
  expect((await readFile(`${session.vault}.bak`)).equals(before)).toBe(true);
  expect((await readdir(dirname(session.vault))).sort()).toEqual(['vault.tar.aes', 'vault.tar.aes.bak']);
});

test('writes nothing when nothing changed, also after a save, and after a touch', async () => {
  await using session = await Session.begin();
  await session.unlock();
  const untouched = await readFile(session.vault);
  await session.shell('touch secrets/aws_access_key_id');
  const first = await session.tazpod(['save']);
  expect(first).toMatchObject({ code: 0, stderr: 'tazpod: nothing to save' });
  expect((await readFile(session.vault)).equals(untouched)).toBe(true);

  await session.shell('echo new >secrets/new');
  await session.tazpod(['save']);
  const saved = await readFile(session.vault);
  const second = await session.tazpod(['save', '--json']);
  expect(JSON.parse(second.stdout)).toEqual({ ok: true, written: false, leftOut: [] });
  expect((await readFile(session.vault)).equals(saved)).toBe(true);
});

/** What a save says that it did. */
async function written(session: Session): Promise<unknown> {
  return (JSON.parse((await session.tazpod(['save', '--json'])).stdout) as { written: unknown }).written;
}

test('a change that leaves all sizes as they were is saved each time, and what is as it was saved last is not', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('tr A-Z B-ZA <secrets/aws_access_key_id >new; cp new secrets/aws_access_key_id');
  expect(await written(session)).toBe(true);
  expect(await written(session)).toBe(false);
  await session.shell('mv secrets/aws_access_key_id secrets/aws_access_key_ie');
  expect(await written(session)).toBe(true);
  expect(await listed(session)).toContain('aws_access_key_ie\n');
  expect(await written(session)).toBe(false);
  await session.shell('echo longer >>secrets/aws_access_key_ie');
  expect(await written(session)).toBe(true);
  expect(await written(session)).toBe(false);
  // Not what was saved last, but before.
  await session.shell('cp new secrets/aws_access_key_ie');
  expect(await written(session)).toBe(true);
  expect(await written(session)).toBe(false);
});

test.each([
  ['a copy in place of a hard link', 'rm secrets/link; cp -p secrets/aws_access_key_id secrets/link'],
  ['an empty .aws, which an unlock makes', 'mkdir secrets/.aws'],
])('%s is no change', async (_, script) => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('ln secrets/aws_access_key_id secrets/link; rm -r secrets/.aws');
  expect(await written(session)).toBe(true);
  await session.shell(script);
  expect(await written(session)).toBe(false);
});

test('a changed permission bit is a change', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('chmod 400 secrets/aws_access_key_id');
  expect(JSON.parse((await session.tazpod(['save', '--json'])).stdout)).toMatchObject({ written: true });
});

test('with --quiet says nothing of what was done, and still what went wrong', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('echo new >secrets/new');
  expect(await session.tazpod(['save', '--quiet'])).toMatchObject({ code: 0, stdout: '', stderr: '' });
  await session.shell('ln -s /etc secrets/away');
  expect(await session.tazpod(['save', '-q'])).toMatchObject({
    code: 13,
    stderr: expect.stringMatching(/^tazpod: warning: away is left out.*\ntazpod: cannot save everything/),
  });
});

test('the first save makes a new vault, of mode 0600, also of an empty enclave', async () => {
  await using session = await Session.begin({});
  await session.unlock();
  expect((await session.tazpod(['save'])).code).toBe(0);
  expect(await listed(session)).toBe('.aws/\n');
  expect((await stat(session.vault)).mode & 0o777).toBe(0o600);
});

test('a vault that changed meanwhile is not overwritten: 14, and the conflict file has the new one', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('echo mine >secrets/mine');
  const theirs = Buffer.concat([await readFile(session.vault), Buffer.from('more')]);
  await writeFile(session.vault, theirs);
  const { code, stderr } = await session.tazpod(['save']);
  expect(code).toBe(14);
  const [name] = /vault\.tar\.aes\.conflict-[0-9TZ]+/.exec(stderr) ?? [];
  expect((await readFile(session.vault)).equals(theirs)).toBe(true);
  expect(await listedAt(`${dirname(session.vault)}/${name}`)).toContain('mine\n');
});

describe('after a save that went beside a vault that had changed,', () => {
  /** Saves beside the vault, and gives the path of that file. */
  async function conflicting(session: Session): Promise<string> {
    await session.unlock();
    await session.shell('echo mine >secrets/mine');
    await writeFile(session.vault, 'theirs', { flag: 'a' });
    return await conflict(session);
  }

  /** Saves, which must be refused; gives the path of the one conflict file. */
  async function conflict(session: Session): Promise<string> {
    expect((await session.tazpod(['save'])).code).toBe(14);
    const names = (await readdir(dirname(session.vault))).filter((name) => name.includes('conflict'));
    expect(names).toHaveLength(1);
    return `${dirname(session.vault)}/${names[0]}`;
  }

  test('the same contents are refused again, and not written again', async () => {
    await using session = await Session.begin();
    const path = await conflicting(session);
    const before = await readFile(path);
    expect(await conflict(session)).toBe(path);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  test.each([
    ['of the same size', 'mv secrets/mine secrets/ours', 'ours\n'],
    ['of another size', 'echo more >secrets/more', 'more\n'],
  ])('others %s are put into the same file', async (_, script, name) => {
    await using session = await Session.begin();
    const path = await conflicting(session);
    await session.shell(script);
    expect(await conflict(session)).toBe(path);
    expect(await listedAt(path)).toContain(name);
  });

  test('there is nothing to save once that file has been put over the vault, and a change is saved there', async () => {
    await using session = await Session.begin();
    const path = await conflicting(session);
    await rename(path, session.vault);
    expect(await session.tazpod(['save'])).toMatchObject({ code: 0, stderr: 'tazpod: nothing to save' });
    await session.shell('mv secrets/mine secrets/ours');
    expect(await written(session)).toBe(true);
    expect(await listed(session)).toContain('ours\n');
    expect(await written(session)).toBe(false);
  });

  test('there is nothing to save when what the vault was unlocked with is there again', async () => {
    await using session = await Session.begin();
    await conflicting(session);
    await session.shell('rm secrets/mine');
    expect(await session.tazpod(['save'])).toMatchObject({ code: 0, stderr: 'tazpod: nothing to save' });
  });
});

test('what cannot be saved is left out and named: 13, and the rest is saved', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('mkfifo secrets/pipe; echo new >secrets/new');
  const { code, stdout, stderr } = await session.tazpod(['save', '--json']);
  expect(code).toBe(13);
  expect(stderr).toMatch(/warning: pipe is left out: .+/);
  expect(JSON.parse(stdout)).toMatchObject({
    ok: false,
    code: 'refused-entry',
    saved: true,
    leftOut: [{ name: 'pipe' }],
  });
  expect(await listed(session)).toContain('new\n');
});

test('a vault directory that cannot be written: 15, and the vault is as it was', async () => {
  await using session = await Session.begin();
  const before = await readFile(session.vault);
  await session.unlock();
  await session.shell('echo new >secrets/new');
  await chmod(dirname(session.vault), 0o555);
  const { code, stderr } = await session.tazpod(['save']);
  expect(stderr).toMatch(/cannot save \/workspace\/\.tazpod\/vault\/vault\.tar\.aes: permission denied/);
  expect(code).toBe(15);
  expect((await readFile(session.vault)).equals(before)).toBe(true);
});

test.for([
  ['is missing', 'rm secrets/.vault_pass', /no such file/],
  ['is a link', 'mv secrets/.vault_pass secrets/x; ln -s x secrets/.vault_pass', /symbolic link/],
  ['is a FIFO', 'rm secrets/.vault_pass; mkfifo secrets/.vault_pass', /not a file/],
  ['is empty', ': >secrets/.vault_pass', /empty/],
] as const)('a passphrase cache that %s: 15', async ([, script, says]) => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell(script);
  const { code, stderr } = await session.tazpod(['save']);
  expect(stderr).toMatch(says);
  expect(stderr).toContain('/home/tazpod/secrets/.vault_pass');
  expect(code).toBe(15);
});

test('two at once both succeed: one waits for the other', async () => {
  await using session = await Session.begin();
  await session.unlock();
  await session.shell('echo new >secrets/new');
  const both = await Promise.all([session.tazpod(['save', '--json']), session.tazpod(['save', '--json'])]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  const writers = both.filter(({ stdout }) => (JSON.parse(stdout) as { written: boolean }).written);
  expect(writers).toHaveLength(1);
});

test('locked: 18', async () => {
  await using session = await Session.begin();
  const { code, stderr } = await session.tazpod(['save']);
  expect(code).toBe(18);
  expect(stderr).toMatch(/the vault is locked/);
});
