// Replacing the vault file: whole or not at all, one writer at a time, and never over what somebody else has written.

import { execa, execaSync } from 'execa';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';

import { TazpodError } from '../../lib/errors.ts';
import { fingerprintOf, seal } from '../../lib/seal.ts';
import { createTemporary } from '../../lib/temporary-file.ts';
import { conflictError, type Replacement, replaceVaultFile } from '../../lib/vault-replacement.ts';
import { requireContents } from '../../lib/verified-file.ts';
import { temporaryDirectory } from './directories.ts';

// Only a limit for what hangs: nothing here depends on time.
vi.setConfig({ testTimeout: 60_000 });

const AS_ROOT = process.getuid?.() === 0;

const version = (contents: string) =>
  Buffer.concat(seal([Buffer.from(contents)], Buffer.alloc(32, 1), Buffer.alloc(32, 2)));

/** Replaces it by bytes that lie in two pieces. */
const replace = (path: string, sealed: Buffer, replacement: Replacement) =>
  replaceVaultFile(path, [sealed.subarray(0, 44), sealed.subarray(44)], replacement);

/** Runs something as uid 1000, which permission bits bind. Calls on the thread pool take the new identity, too. */
async function asOperator<T>(act: () => Promise<T>): Promise<T> {
  process.seteuid?.(1000);
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
  }
}

describe('replacing', () => {
  test('makes the directory (0700) and the file (0600) where there was none, and leaves nothing else', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'new', 'vault');
    await replace(path, version('one'), { known: [] });
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect(statSync(join(directory.path, 'new')).mode & 0o7777).toBe(0o700);
    expect(readdirSync(join(directory.path, 'new'))).toEqual(['vault']);
  });

  test('keeps the mode of the old file, whatever the umask', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one);
    chmodSync(path, 0o664);
    await replace(path, version('two'), { known: [fingerprintOf(one)] });
    expect(statSync(path).mode & 0o7777).toBe(0o664);
  });

  test('keeps the version that the session began with as .bak, through any number of saves', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const versions = ['old session', 'began', 'second', 'third'].map(version);
    const [older, began, second, third] = versions as [Buffer, Buffer, Buffer, Buffer];
    writeFileSync(`${path}.bak`, older);
    writeFileSync(path, began, { mode: 0o640 });
    const session = { began: fingerprintOf(began) };
    await replace(path, second, { known: [fingerprintOf(began)], ...session });
    await replace(path, third, { known: [fingerprintOf(second)], ...session });
    expect(readFileSync(path)).toEqual(third);
    expect(readFileSync(`${path}.bak`)).toEqual(began);
    expect(statSync(`${path}.bak`).mode & 0o777).toBe(0o640);
    expect(readdirSync(directory.path).sort()).toEqual(['vault', 'vault.bak']);
  });

  test('replaces what a symbolic link leads to, not the link', async () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, 'elsewhere'));
    const [path, real] = [join(directory.path, 'vault'), join(directory.path, 'elsewhere', 'real')];
    const one = version('one');
    writeFileSync(real, one);
    symlinkSync(real, path);
    const two = version('two');
    await replace(path, two, { known: [fingerprintOf(one)] });
    expect(readlinkSync(path)).toBe(real);
    expect(readFileSync(real)).toEqual(two);
  });

  test('writes again what somebody has deleted', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const two = version('two');
    await replace(path, two, { known: [fingerprintOf(version('one'))] });
    expect(readFileSync(path)).toEqual(two);
  });
});

describe('a vault that changed on disk', () => {
  test.each([
    ['another version', version('theirs'), [fingerprintOf(version('read before'))]],
    ['one where there was none', version('theirs'), []],
    ['a file cut short', Buffer.from('short'), [fingerprintOf(version('read before'))]],
  ])('%s is not overwritten: the new one goes beside it', async (_, theirs, known) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    writeFileSync(path, theirs);
    const ours = version('ours');
    const conflict = await replace(path, ours, { known });
    expect(conflict).toEqual({
      name: expect.stringMatching(/^vault\.conflict-\d{8}T\d{6}Z$/),
      fingerprint: fingerprintOf(ours),
    });
    const name = conflict?.name ?? '';
    expect(readFileSync(path)).toEqual(theirs);
    expect(readdirSync(directory.path).sort()).toEqual(['vault', name]);
    expect(readFileSync(join(directory.path, name))).toEqual(ours);
    expect(statSync(join(directory.path, name)).mode & 0o777).toBe(0o600);
    const error = conflict && conflictError(path, conflict);
    expect(error).toMatchObject({ code: 'conflict', hint: expect.stringContaining(join(directory.path, name)) });
  });

  test('twice in one second leaves both, from two sessions', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    writeFileSync(path, version('theirs'));
    for (const contents of ['first', 'second', 'third']) {
      const saving = replace(path, version(contents), { known: [] });
      expect(await saving).toMatchObject({ name: expect.stringContaining('.conflict-') });
    }
    expect(readdirSync(directory.path)).toHaveLength(4);
  });

  test('again and again leaves one file beside it, the last', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    writeFileSync(path, version('theirs'));
    const conflict = await replace(path, version('first'), { known: [] });
    const again = await replace(path, version('second'), { known: [], conflict });
    expect(again?.name).toBe(conflict?.name);
    expect(readdirSync(directory.path).sort()).toEqual(['vault', conflict?.name]);
    expect(fingerprintOf(readFileSync(join(directory.path, again?.name ?? '')))).toBe(again?.fingerprint);
  });

  test.each([
    ['changed', (path: string) => writeFileSync(path, version('merged by hand'))],
    [
      'put a directory in the place of',
      (path: string) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
  ])('after somebody has %s the file beside it is left as it is, and gets another beside it', async (_, change) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    writeFileSync(path, version('theirs'));
    const conflict = await replace(path, version('first'), { known: [] });
    const earlier = join(directory.path, conflict?.name ?? '');
    change(earlier);
    const { ino } = statSync(earlier);
    const again = await replace(path, version('second'), { known: [], conflict });
    expect(fingerprintOf(readFileSync(join(directory.path, again?.name ?? '')))).toBe(again?.fingerprint);
    expect(statSync(earlier).ino).toBe(ino);
  });

  test('is written beside it again when somebody has removed what was there', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    writeFileSync(path, version('theirs'));
    const conflict = await replace(path, version('first'), { known: [] });
    rmSync(join(directory.path, conflict?.name ?? ''));
    const again = await replace(path, version('second'), { known: [], conflict });
    expect(readdirSync(directory.path).sort()).toEqual(['vault', again?.name]);
  });
});

describe('one writer at a time', () => {
  /** Holds the lock of a directory as another container would: in a process of its own, until it is disposed of. */
  async function held(directory: string): Promise<AsyncDisposable> {
    const holder = execa('flock', ['--exclusive', directory, 'sh', '-c', 'echo held; read -r _'], { stdin: 'pipe' });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    return {
      async [Symbol.asyncDispose]() {
        holder.stdin.end();
        await holder.catch(() => undefined);
      },
    };
  }

  test('waits while another process writes, and sees what that has written', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const [one, theirs] = [version('one'), version('theirs')];
    writeFileSync(path, one);
    let saving: ReturnType<typeof replace>;
    {
      await using _holder = await held(directory.path);
      saving = replace(path, version('ours'), { known: [fingerprintOf(one)] });
      while (readdirSync(directory.path).length === 1) await delay(1);
      renameSync(path, `${path}.before`);
      writeFileSync(path, theirs);
    }
    expect(await saving).toMatchObject({ name: expect.stringContaining('conflict') });
    expect(readFileSync(path)).toEqual(theirs);
  });

  test('gives up when it is kept for seconds, and leaves the old vault and nothing else', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one);
    await using _holder = await held(directory.path);
    const saving = replace(path, version('two'), { known: [fingerprintOf(one)] });
    await expect(saving).rejects.toMatchObject({
      code: 'save-failed',
      message: `cannot write in ${directory.path}: another save is under way there`,
    });
    expect(readFileSync(path)).toEqual(one);
    expect(readdirSync(directory.path)).toEqual(['vault']);
  });

  test('needs nobody to clean up after one that was killed', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const holder = execa('flock', ['--exclusive', '--no-fork', directory.path, 'sh', '-c', 'echo held; read -r _'], {
      stdin: 'pipe',
      reject: false,
    });
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    holder.kill('SIGKILL');
    await holder;
    await replace(path, version('one'), { known: [] });
    expect(readdirSync(directory.path)).toEqual(['vault']);
  });

  test('of many at once that know the same version one replaces it, and all others go beside it', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one);
    const program = join(import.meta.dirname, '../fixtures/replace-vault.ts');
    // All of them take it for the version that they have read.
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const { stdout } = await execa('node', [program, path, String(1000 + index), fingerprintOf(one)], {
          preferLocal: true,
        });
        return JSON.parse(stdout) as { replaced?: true; conflict?: string };
      }),
    );
    expect(outcomes.filter(({ replaced }) => replaced)).toHaveLength(1);
    const beside = outcomes.flatMap(({ conflict }) => conflict ?? []);
    expect(new Set(beside).size).toBe(5);
    expect(readdirSync(directory.path).sort()).toEqual(['vault', 'vault.bak', ...beside].sort());
  });
});

describe('what is asked last of all', () => {
  test.each([
    ['the vault', undefined],
    ['the file beside it', { name: expect.any(String), fingerprint: expect.any(String) }],
  ])('may refuse: %s then gets no new version, and nothing is left', async (_, conflict) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one);
    const asked: unknown[] = [];
    const saving = replace(path, version('two'), {
      known: conflict ? [] : [fingerprintOf(one)],
      began: fingerprintOf(one),
      async confirm(made) {
        asked.push(made);
        throw new TazpodError('locked', 'cannot save: the vault was locked meanwhile');
      },
    });
    await expect(saving).rejects.toMatchObject({ code: 'locked' });
    expect(asked).toEqual([conflict]);
    expect(readFileSync(path)).toEqual(one);
    expect(readdirSync(directory.path)).toEqual(['vault']);
  });
});

describe('a file that is read back', () => {
  const written = Buffer.alloc(3 * 1024 * 1024, 'sealed');
  const pieces = [0, 44, 700_000, 1_800_000].map((at, index, all) => written.subarray(at, all[index + 1]));
  const changed = (at: number): Buffer => {
    const bytes = Buffer.from(written);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  };

  test.each([
    ['empty', Buffer.alloc(0)],
    ['cut short', written.subarray(0, -1)],
    ['cut short at the end of a piece', written.subarray(0, 1024 * 1024)],
    ['longer', Buffer.concat([written, Buffer.from('.')])],
    ['another at its begin', changed(0)],
    ['another in its middle', changed(1_500_000)],
    ['another at its end', changed(written.length - 1)],
  ])('is refused when it is %s', async (_, bytes) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    writeFileSync(path, bytes);
    await expect(requireContents(path, pieces)).rejects.toThrow('what was read back is not what was written');
  });

  test('is taken when it has these bytes, were there none', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    for (const bytes of [pieces, [written], []]) {
      writeFileSync(path, Buffer.concat(bytes));
      await expect(requireContents(path, bytes)).resolves.toBeUndefined();
    }
  });
});

describe('a save that fails', () => {
  test('because other bytes are read back than were written leaves the old vault and nothing else', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one);
    // As if by the disk: what it has is compared with something else than it was given.
    const two = Object.assign(version('two'), { subarray: () => version('three') });
    const saving = replaceVaultFile(path, [two], { known: [fingerprintOf(one)] });
    await expect(saving).rejects.toMatchObject({
      code: 'save-failed',
      message: `cannot save ${path}: what was read back is not what was written`,
    });
    expect(readFileSync(path)).toEqual(one);
    expect(readdirSync(directory.path)).toEqual(['vault']);
  });

  test('for want of space leaves the old vault and nothing else', () => {
    using directory = temporaryDirectory();
    const program = join(import.meta.dirname, '../fixtures/replace-vault.ts');
    const script = `mount -t tmpfs -o size=64k tmpfs "$1" && head -c 100 /dev/zero >"$1/vault" && node "$2" "$1/vault" 100000
      ls -A "$1"; wc -c <"$1/vault"`;
    const { stdout } = execaSync('unshare', ['-Urm', 'sh', '-c', script, 'sh', directory.path, program], {
      preferLocal: true,
    });
    const path = join(directory.path, 'vault');
    const failure = { code: 'save-failed', message: `cannot save ${path}: no space left on device` };
    expect(stdout.split('\n')).toEqual([JSON.stringify(failure), 'vault', '100']);
  });

  test.runIf(AS_ROOT)('because the directory cannot be written to leaves the old vault', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one, { mode: 0o644 });
    chmodSync(directory.path, 0o755);
    const options = { known: [fingerprintOf(one)] };
    await asOperator(() =>
      expect(replace(path, version('two'), options)).rejects.toMatchObject({
        code: 'save-failed',
        message: `cannot save ${path}: permission denied`,
      }),
    );
    expect(readFileSync(path)).toEqual(one);
    expect(readdirSync(directory.path)).toEqual(['vault']);
  });

  test('because the process is killed leaves the old vault, and the next save clears up', async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, 'vault');
    const one = version('one');
    writeFileSync(path, one);
    const program = join(import.meta.dirname, '../fixtures/replace-vault.ts');
    // Killed by itself when the temporary file is whole and about to be verified.
    const killed = execaSync('node', [program, path, '1000', 'die'], { preferLocal: true, reject: false });
    expect(killed.signal).toBe('SIGKILL');
    expect(readFileSync(path)).toEqual(one);
    expect(readdirSync(directory.path)).toHaveLength(2);
    await replace(path, version('two'), { known: [fingerprintOf(one)] });
    expect(readdirSync(directory.path)).toEqual(['vault']);
  });
});

test('temporary files of living writers and of other programs are left alone, those of dead ones anywhere are not', async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, 'vault');
  await using living = await createTemporary(path);
  const dead = `${path}.tmp-0123456789abcdef`;
  const other = `${path}.tmp-mine`;
  for (const file of [dead, other]) writeFileSync(file, '');
  await replace(path, version('one'), { known: [] });
  expect([living.path, dead, other].map((file) => existsSync(file))).toEqual([true, false, true]);
});
