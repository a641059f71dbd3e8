// compose.yaml as its users have it: a directory with a vault and the passphrase's file, and up, exec, stop, down.
// With the `docker compose` plugin, or docker-compose, which Debian has.

import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, inject, test } from 'vitest';

import { installMissing } from '../../build/debian.ts';
import { VAULT_FILE, WORKSPACE } from '../../lib/paths.ts';
import { Container, describeContainers, newName } from '../support/container.ts';
import { secretsOnDisk, wordsInFileSystem } from '../support/leaks.ts';
import { CANARIES, CONTENTS, defaultVault, openVault, PASSPHRASE, SECRET } from '../support/vault.ts';

const COMPOSE_FILE = fileURLToPath(new URL('../../compose.yaml', import.meta.url));

describeContainers('compose.yaml', () => {
  test('up unlocks by the secret file, exec has the secrets, stop saves and locks, down removes', async ({ skip }) => {
    const client = await findCompose();
    if (client === undefined) {
      if (process.env['CI'] === 'true') throw new Error('cannot test compose.yaml: docker compose is not installed');
      return skip('docker compose is not installed');
    }
    await using project = await createProject(client);
    await project.compose('up', '--detach', '--no-build');
    const container = new Container(await project.compose('ps', '--quiet', 'tazpod'));
    await container.waitForOutput(/vault unlocked/);

    const exec = ['exec', '-T', '-u', 'tazpod', 'tazpod'];
    expect(await project.compose(...exec, 'cat', '/home/tazpod/.aws/credentials')).toContain(SECRET);
    await project.compose(...exec, 'sh', '-c', 'echo by exec >~/secrets/added');

    await project.compose('stop');
    // The command is an interactive shell: it ends when its terminal hangs up. After the grace it would be 137.
    expect(await container.wait()).toBe(129);
    expect(await openVault(await readFile(project.vault))).toEqual({ ...CONTENTS, added: 'by exec\n' });
    expect(await secretsOnDisk(container)).toEqual([]);
    expect(await wordsInFileSystem(container, CANARIES)).toEqual([]);

    await project.compose('down');
    await expect(container.inspect('.State')).rejects.toThrow(/No such object/i);
  });
});

/** The words that call it; nothing where there is none and none can be installed. */
async function findCompose(): Promise<readonly [string, ...string[]] | undefined> {
  const plugin = await execa('docker', ['compose', 'version'], { reject: false });
  if (!plugin.failed) return ['docker', 'compose'];
  const missing = await installMissing({ 'docker-compose': 'docker-compose' });
  return missing.length === 0 ? ['docker-compose'] : undefined;
}

/** A directory to work in, which any user's engine and operator may use. */
async function createProject([file, ...words]: readonly [string, ...string[]]) {
  const directory = await mkdtemp(join(tmpdir(), 'tazpod-compose-'));
  const vault = join(directory, VAULT_FILE.slice(WORKSPACE.length));
  await mkdir(dirname(vault), { recursive: true });
  await writeFile(vault, await defaultVault(), { mode: 0o644 });
  for (const path of [dirname(vault), dirname(dirname(vault)), directory]) await chmod(path, 0o777);
  // In the home, where compose.yaml looks for it.
  const passphrase = join(directory, 'home/.config/tazpod/passphrase');
  await mkdir(dirname(passphrase), { recursive: true });
  await writeFile(passphrase, `${PASSPHRASE}\n`, { mode: 0o600 });
  const override = join(directory, 'override.json');
  const service = { network_mode: 'none', labels: [inject('runLabel')] };
  await writeFile(override, JSON.stringify({ services: { tazpod: service } }));

  const files = ['--project-directory', directory, '--file', COMPOSE_FILE, '--file', override];
  const options = [...words, '--project-name', newName(), ...files];
  /** Calls compose; what it wrote to its standard output. */
  const compose = async (...args: string[]): Promise<string> => {
    const { stdout } = await execa(file, [...options, ...args], {
      stdin: 'ignore',
      env: { HOME: join(directory, 'home') },
    });
    return stdout;
  };
  return {
    vault,
    compose,
    async [Symbol.asyncDispose]() {
      await compose('down', '--volumes');
      await rm(directory, { recursive: true, force: true });
    },
  };
}
