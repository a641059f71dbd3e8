// examples/compose as its users have it: a directory with a vault and the passphrase's file, and up, exec, stop, down.
// With the `docker compose` plugin, or docker-compose, which Debian has.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { expect, inject, test } from 'vitest';

import { installMissing } from '../../build/debian.ts';
import { Container, describeContainers, newName } from '../support/container.ts';
import { secretsOnDisk, wordsInFileSystem } from '../support/leaks.ts';
import { ProjectDirectory } from '../support/project-directory.ts';
import { CANARIES, CONTENTS, PASSPHRASE, SECRET } from '../support/vault.ts';

describeContainers('examples/compose', () => {
  test('up unlocks by the secret file, exec has the secrets, stop saves and locks, down removes', async ({ skip }) => {
    const client = await findCompose();
    if (client === undefined) {
      if (process.env['CI'] === 'true') throw new Error('cannot test compose.yaml: docker compose is not installed');
      return skip('docker compose is not installed');
    }
    await using directory = await ProjectDirectory.create();
    await directory.take('compose/compose.yaml');
    await using project = await createProject(client, directory.path);
    await project.compose('up', '--detach', '--no-build');
    const container = new Container(await project.compose('ps', '--quiet', 'tazpod'));
    await container.waitForOutput(/vault unlocked/);

    const exec = ['exec', '-T', '-u', 'tazpod', 'tazpod'];
    expect(await project.compose(...exec, 'cat', '/home/tazpod/.aws/credentials')).toContain(SECRET);
    await project.compose(...exec, 'sh', '-c', 'echo by exec >~/secrets/added');

    await project.compose('stop');
    // The command is an interactive shell: it ends when its terminal hangs up. After the grace it would be 137.
    expect(await container.wait()).toBe(129);
    expect(await directory.saved()).toEqual({ ...CONTENTS, added: 'by exec\n' });
    expect(await secretsOnDisk(container)).toEqual([]);
    expect(await wordsInFileSystem(container, CANARIES)).toEqual([]);
    expect(await directory.leaks()).toEqual([]);

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

/** What calls compose in a directory. */
async function createProject([file, ...words]: readonly [string, ...string[]], directory: string) {
  // In the home, where compose.yaml looks for it.
  const home = await mkdtemp(join(tmpdir(), 'tazpod-compose-'));
  const passphrase = join(home, '.config/tazpod/passphrase');
  await mkdir(dirname(passphrase), { recursive: true });
  await writeFile(passphrase, `${PASSPHRASE}\n`, { mode: 0o600 });
  const override = join(home, 'override.json');
  const service = { network_mode: 'none', labels: [inject('runLabel')] };
  await writeFile(override, JSON.stringify({ services: { tazpod: service } }));

  const files = ['--file', join(directory, 'compose.yaml'), '--file', override];
  const options = [...words, '--project-name', newName(), ...files];
  /** Calls compose; what it wrote to its standard output. */
  const compose = async (...args: string[]): Promise<string> => {
    const { stdout } = await execa(file, [...options, ...args], { stdin: 'ignore', env: { HOME: home } });
    return stdout;
  };
  return {
    compose,
    async [Symbol.asyncDispose]() {
      await compose('down', '--volumes');
      await rm(home, { recursive: true, force: true });
    },
  };
}
