// examples/docker-run and examples/devcontainer, as people use them: the files copied into their project, and typed at a terminal.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, inject, test } from 'vitest';

import { Container, describeContainers, docker, newName } from '../support/container.ts';
import { EngineTerminal } from '../support/engine-terminal.ts';
import { secretsOnDisk, wordsInFileSystem } from '../support/leaks.ts';
import { example, ProjectDirectory } from '../support/project-directory.ts';
import { CANARIES, CONTENTS, PASSPHRASE } from '../support/vault.ts';

describeContainers('examples/docker-run', () => {
  test('asks for the passphrase, gives a shell on the secrets, saves and locks when that ends', async () => {
    await using directory = await ProjectDirectory.create();
    const words = ['sh', example('docker-run/tazpod-shell'), ...forTests(newName())];
    using shell = await EngineTerminal.run(words, directory.path);
    await unlockAndChange(shell);
    shell.terminal.type('exit 3\r');
    expect(await shell.ended).toBe(3);
    expect(await directory.saved()).toEqual({ ...CONTENTS, added: 'by the shell\n' });
    expect(await directory.leaks()).toEqual([]);
  });

  test('is saved, locked and gone after a stop, another shell beside it', async () => {
    await using directory = await ProjectDirectory.create();
    const name = newName();
    using shell = await EngineTerminal.run(
      ['sh', example('docker-run/tazpod-shell'), ...forTests(name)],
      directory.path,
    );
    await unlockAndChange(shell);
    using other = await EngineTerminal.open(['exec', '-u', 'tazpod', '-it', name, 'bash']);
    await other.terminal.screen.waitFor('$ ');
    await other.line('cat ~/secrets/added', 'by the shell\r\n');
    await docker(['stop', name]);
    // A login shell on a terminal ends by its hangup.
    expect(await shell.ended).toBe(129);
    expect(await directory.saved()).toEqual({ ...CONTENTS, added: 'by the shell\n' });
    expect(await directory.leaks()).toEqual([]);
    await expect(new Container(name).inspect('.State')).rejects.toThrow(/No such object/i);
  });
});

describeContainers('examples/devcontainer', () => {
  test('up starts it locked; terminals unlock over the socket; the last one that is closed locks; a stop saves', async () => {
    await using directory = await ProjectDirectory.create();
    await directory.take('devcontainer/.devcontainer');
    await using client = await createClient(directory.path);
    const container = await client.up();

    // PID 1 is ours, and the operator is who the tools run as.
    expect(await client.exec('cat', '/proc/1/comm')).toMatchObject({ exitCode: 0, stdout: 'tazpod-init' });
    expect(await client.exec('sh', '-c', 'id -un; pwd')).toMatchObject({ stdout: 'tazpod\n/workspace' });
    expect(await client.exec('tazpod', 'status', '--unlocked')).toMatchObject({ exitCode: 18 });

    const first = ['exec', '-u', 'tazpod', '-it', container.name, 'bash'];
    using terminal = await EngineTerminal.open(first);
    await terminal.terminal.screen.waitFor('$ ');
    terminal.terminal.type('tazpod unlock\r');
    await unlockAndChange(terminal);
    expect(await client.exec('cat', '/home/tazpod/.aws/config')).toMatchObject({
      stdout: CONTENTS['.aws/config'].trimEnd(),
    });
    expect(await client.exec('tazpod', 'status', '--unlocked')).toMatchObject({ exitCode: 0 });
    terminal.terminal.type('exit\r');
    expect(await terminal.ended).toBe(0);
    await container.waitForOutput(/vault locked/);
    expect(await directory.saved()).toEqual({ ...CONTENTS, added: 'by the shell\n' });

    using again = await EngineTerminal.open(first);
    await again.terminal.screen.waitFor('$ ');
    again.terminal.type('tazpod unlock\r');
    await again.terminal.screen.waitFor('assphrase');
    await again.line(PASSPHRASE, /unlocked[^$]*\$ /);
    await again.line('echo later >~/secrets/added; echo do\\ne', 'done');
    expect(await container.stop()).toMatchObject({ status: 143 });
    expect(await directory.saved()).toEqual({ ...CONTENTS, added: 'later\n' });
    expect(await secretsOnDisk(container)).toEqual([]);
    expect(await wordsInFileSystem(container, CANARIES)).toEqual([]);
    expect(await directory.leaks()).toEqual([]);
  });
});

/** Flags of a container that the guard of the run knows. */
function forTests(name: string): string[] {
  return ['--network', 'none', '--label', inject('runLabel'), '--name', name];
}

/** From the prompt for the passphrase: sees the secrets, and adds a file. */
async function unlockAndChange(shell: EngineTerminal): Promise<void> {
  await shell.terminal.screen.waitFor('assphrase');
  await shell.line(PASSPHRASE, '$ ');
  await shell.line('cat ~/.aws/config', CONTENTS['.aws/config'].replaceAll('\n', '\r\n'));
  await shell.line('echo by the shell >~/secrets/added; echo do\\ne', 'done');
}

/** The reference client of dev containers, which editors follow. */
async function createClient(workspace: string) {
  const data = await mkdtemp(join(tmpdir(), 'tazpod-devcontainer-'));
  const program = fileURLToPath(import.meta.resolve('@devcontainers/cli/devcontainer.js'));
  let container: Container | undefined;
  const call = (verb: string, flags: readonly string[], command: readonly string[] = []) =>
    execa(
      process.execPath,
      // By the label the guard of the run knows the container, and the client finds it again.
      [program, verb, '--workspace-folder', workspace, '--id-label', inject('runLabel'), ...flags, ...command],
      { reject: false, stdin: 'ignore', env: { TMPDIR: data, NODE_NO_WARNINGS: '1' } },
    );
  return {
    async up(): Promise<Container> {
      const { exitCode, stdout, stderr } = await call('up', ['--user-data-folder', data]);
      if (exitCode !== 0) throw new Error(`devcontainer up failed: ${stderr}`);
      container = new Container((JSON.parse(stdout) as { containerId: string }).containerId);
      return container;
    },
    exec: (...command: string[]) => call('exec', ['--user-data-folder', data], command),
    async [Symbol.asyncDispose]() {
      const image = (await container?.inspect('.Config.Image')) as string | undefined;
      await container?.[Symbol.asyncDispose]();
      // The client's own, made of the example's, for another uid.
      if (image !== undefined) await docker(['image', 'rm', '--force', image, image.replace(/-uid$/, '')]);
      await rm(data, { recursive: true, force: true });
    },
  };
}
