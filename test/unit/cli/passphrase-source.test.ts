// Where the passphrase may come from, seen through `vault list`, which opens the vault or says why not.

import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';

import { MAIN, SMALL, tazpod, temporaryDirectory, vector } from './tool.ts';

const LIST = ['vault', 'list', SMALL.file];

test.for([
  ['with one newline at the end', `${SMALL.passphrase}\n`, 0],
  ['without a newline', SMALL.passphrase, 0],
  ['with two newlines: one of them belongs to the passphrase', `${SMALL.passphrase}\n\n`, 12],
  ['with a carriage return: it belongs to the passphrase', `${SMALL.passphrase}\r\n`, 12],
  ['with a blank before it', ` ${SMALL.passphrase}`, 12],
] as const)('from a file and from standard input, %s', async ([, contents, expected]) => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'passphrase');
  await writeFile(file, contents);
  const byFile = await tazpod([...LIST, '--passphrase-file', file]);
  const byInput = await tazpod([...LIST, '--passphrase-file', '-'], { input: contents });
  expect([byFile.status, byInput.status]).toEqual([expected, expected]);
});

test('from a descriptor', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'passphrase');
  await writeFile(file, `${SMALL.passphrase}\n`);
  const { status, stdout } = await tazpod([...LIST, '--passphrase-fd', '3'], { third: file });
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining('.aws/credentials') });
});

test('from the file that TAZPOD_PASSPHRASE_FILE names, unless an option says otherwise', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'passphrase');
  await writeFile(file, `${SMALL.passphrase}\n`);
  const env = { TAZPOD_PASSPHRASE_FILE: file };
  expect((await tazpod(LIST, { env })).status).toBe(0);
  expect((await tazpod([...LIST, '--passphrase-file', '-'], { env, input: 'wrong' })).status).toBe(12);
});

test('from TAZPOD_PASSPHRASE, with a newline at its end kept', async () => {
  expect((await tazpod(LIST, { env: { TAZPOD_PASSPHRASE: SMALL.passphrase } })).status).toBe(0);
  expect((await tazpod(LIST, { env: { TAZPOD_PASSPHRASE: `${SMALL.passphrase}\n` } })).status).toBe(12);
});

test('TAZPOD_PASSPHRASE is taken as bytes, also when they are no UTF-8', async () => {
  await using directory = await temporaryDirectory();
  const passphrase = Uint8Array.of(0xff, 0x70, 0xc3, 0x28, 0xfe);
  const file = join(directory.path, 'passphrase');
  const vault = join(directory.path, 'vault');
  await writeFile(file, passphrase);
  await mkdir(join(directory.path, 'empty'));
  await tazpod(['vault', 'create', join(directory.path, 'empty'), vault, '--passphrase-file', file]);
  // The shell passes the bytes on as they are; Node could not put them into an environment.
  const script = 'TAZPOD_PASSPHRASE=$(cat "$1") exec "$2" "$3" vault list "$4"';
  const { exitCode } = await execa('sh', ['-c', script, 'sh', file, process.execPath, MAIN, vault], {
    env: { TAZPOD_USER: 'root' },
    detached: true,
    reject: false,
  });
  expect(exitCode).toBe(0);
});

test('a wrong one is tried once, and the hint tells where it came from', async () => {
  const { status, stderr } = await tazpod(LIST, { env: { TAZPOD_PASSPHRASE: 'wrong' } });
  expect(status).toBe(12);
  expect(stderr).toMatch(/wrong passphrase or corrupt/);
  expect(stderr).toContain('TAZPOD_PASSPHRASE');
  expect(stderr).not.toContain('again');
});

test('both variables at once are a configuration error', async () => {
  const { status, stderr } = await tazpod(LIST, { env: { TAZPOD_PASSPHRASE: 'a', TAZPOD_PASSPHRASE_FILE: '/b' } });
  expect(status).toBe(10);
  expect(stderr).toMatch(/cannot take both TAZPOD_PASSPHRASE and TAZPOD_PASSPHRASE_FILE/);
});

test.for([
  ['missing', '/nonexistent/passphrase', /cannot read the passphrase file \/nonexistent\/passphrase: no such file/],
  ['a directory', '/usr', /cannot read the passphrase file \/usr: illegal operation on a directory/],
  ['without an end', '/dev/zero', /more than 65536 bytes/],
] as const)('a passphrase file that is %s: 11, and the reason', async ([, path, reason]) => {
  const { status, stderr } = await tazpod([...LIST, '--passphrase-file', path]);
  expect(status).toBe(11);
  expect(stderr).toMatch(reason);
});

test.runIf(process.getuid?.() === 0)('a passphrase file that the operator may not read: 11', async () => {
  await using directory = await temporaryDirectory();
  await chmod(directory.path, 0o755);
  const file = join(directory.path, 'passphrase');
  await writeFile(file, 'x', { mode: 0o600 });
  const { status, stderr } = await tazpod([...LIST, '--passphrase-file', file], { env: { TAZPOD_USER: 'nobody' } });
  expect(status).toBe(11);
  expect(stderr).toContain(`${file}: permission denied`);
});

test('an empty passphrase is refused: by file, standard input, and variable', async () => {
  for (const outcome of [
    await tazpod([...LIST, '--passphrase-file', '/dev/null']),
    await tazpod([...LIST, '--passphrase-file', '-'], { input: '\n' }),
    await tazpod(LIST, { env: { TAZPOD_PASSPHRASE: '' } }),
  ]) {
    expect(outcome.status).toBe(11);
    expect(outcome.stderr).toContain('empty');
  }
});

test('without any and without a terminal: 11, and the hint names the ways', async () => {
  const { status, stderr } = await tazpod(LIST, { input: `${SMALL.passphrase}\n` });
  expect(status).toBe(11);
  expect(stderr).toContain('there is no terminal');
  expect(stderr).toContain('--passphrase-file, --passphrase-fd or TAZPOD_PASSPHRASE_FILE');
});

test('no passphrase is asked for a file that is too short to be a vault', async () => {
  const { status, stderr } = await tazpod(['vault', 'list', vector('trunc-43').file]);
  expect(status).toBe(12);
  expect(stderr).toContain('too short');
});
