// examples/podman and examples/kubernetes, run by podman without root: the script in a project, and the Pod by `podman kube play`.

import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { describeContainers, newName } from '../support/container.ts';
import { EngineTerminal } from '../support/engine-terminal.ts';
import { RootlessPodman, whyNoRootlessPodman } from '../support/rootless-podman.ts';
import { CONTENTS, defaultVault, openVault, PASSPHRASE } from '../support/vault.ts';

const problem = await whyNoRootlessPodman();
if (problem !== '' && process.env['CI'] === 'true') throw new Error(`cannot test rootless podman: ${problem}`);

const KEEP_ID = '--userns=keep-id:uid=1000,gid=1000';
const VAULT = '/workspace/.tazpod/vault/vault.tar.aes';

describeContainers('by podman without root', () => {
  let podman: RootlessPodman | undefined;

  beforeAll(async () => {
    if (problem === '') podman = await RootlessPodman.create();
  });

  afterAll(async () => {
    await podman?.[Symbol.asyncDispose]();
  });

  test('examples/podman asks for the passphrase, gives a shell on the secrets, saves and locks', async ({ skip }) => {
    if (podman === undefined) return skip(problem);
    await podman.take('podman/tazpod-shell');
    const words = ['sh', './tazpod-shell', '--network=none', '--no-healthcheck', `--name=${newName()}`];
    using shell = await EngineTerminal.run(podman.command(words));
    await shell.terminal.screen.waitFor('assphrase');
    await shell.line(PASSPHRASE, '$ ');
    await change(shell, 'by the shell');
    shell.terminal.type('exit 3\r');
    expect(await shell.ended).toBe(3);
    expect(await podman.saved()).toEqual({ ...CONTENTS, added: 'by the shell\n' });
    expect(await podman.leaks()).toEqual([]);
    expect(await podman.call(['ps', '--all', '--quiet'])).toMatchObject({ stdout: '' });
  });

  test('examples/kubernetes starts locked, without privilege; the last shell out saves and locks; so does the Pod’s end', async ({
    skip,
  }) => {
    if (podman === undefined) return skip(problem);
    await podman.take('kubernetes/pod.yaml');
    await makeMemoryVolumes(podman, ['enclave', 'runtime']);
    const play = ['kube', 'play', '--network=none', KEEP_ID, 'pod.yaml'];
    expect(await podman.call(play)).toMatchObject({ status: 0 });

    // As the README has it.
    const put = ['sh', '-c', `mkdir -p /workspace/.tazpod/vault && cat >${VAULT}`];
    expect(await exec(podman, put, await defaultVault())).toMatchObject({ status: 0 });
    const status = ['sh', '-c', 'cat /proc/1/comm; grep -E "^(Cap(Eff|Bnd)|NoNewPrivs)" /proc/1/status'];
    expect(await exec(podman, status)).toMatchObject({
      stdout: 'tazpod-init\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1',
    });
    expect(await exec(podman, ['tazpod', 'status', '--unlocked'])).toMatchObject({ status: 18 });

    const bash = podman.command(['podman', 'exec', '-it', 'tazpod-tazpod', 'bash']);
    using first = await EngineTerminal.run(bash);
    await unlock(first);
    await change(first, 'by the first');
    first.terminal.type('exit\r');
    expect(await first.ended).toBe(0);
    await podman.untilSays('tazpod-tazpod', /vault locked/);
    expect(await inVolume(podman)).toEqual({ ...CONTENTS, added: 'by the first\n' });
    expect(await exec(podman, ['ls', '-A', '/home/tazpod/secrets'])).toMatchObject({ status: 0, stdout: '' });

    using second = await EngineTerminal.run(bash);
    await unlock(second);
    await change(second, 'by the second');
    expect(await podman.call(['pod', 'stop', 'tazpod'])).toMatchObject({ status: 0 });
    expect(await inVolume(podman)).toEqual({ ...CONTENTS, added: 'by the second\n' });
    expect(await podman.leaks()).toEqual([]);
    expect(await podman.call(['kube', 'down', 'pod.yaml'])).toMatchObject({ status: 0 });
    expect(await podman.call(['ps', '--all', '--quiet'])).toMatchObject({ stdout: '' });
  });
});

/**
 * What a cluster makes of an `emptyDir` in memory in a Pod with an `fsGroup`: root's, and the group's to write. Podman 4.3 makes
 * directories on disk of them, but takes a volume that is there. It gives one that is new to whoever uses it first, which so
 * is somebody else.
 */
async function makeMemoryVolumes(podman: RootlessPodman, names: readonly string[]): Promise<void> {
  for (const name of names) {
    // Podman's own ids, which `keep-id` shows as root and as the operator's group.
    const options = 'uid=1,gid=0,mode=2777,nosuid,nodev';
    const create = ['volume', 'create', '--opt=type=tmpfs', '--opt=device=tmpfs', `--opt=o=${options}`, name];
    expect(await podman.call(create)).toMatchObject({ status: 0 });
    const use = ['run', '--rm', '--network=none', '--no-healthcheck', KEEP_ID, `--volume=${name}:/mnt`];
    expect(await podman.call([...use, '--entrypoint=true', 'tazpod:dev'])).toMatchObject({ status: 0 });
  }
}

function exec(podman: RootlessPodman, command: readonly string[], input?: Uint8Array) {
  return podman.call(['exec', '--interactive', 'tazpod-tazpod', ...command], input);
}

async function unlock(shell: EngineTerminal): Promise<void> {
  await shell.terminal.screen.waitFor('$ ');
  await shell.line('tazpod unlock', 'assphrase');
  await shell.line(PASSPHRASE, /unlocked[^$]*\$ /);
}

/** Sees the secrets, and adds a file. */
async function change(shell: EngineTerminal, text: string): Promise<void> {
  await shell.line('cat ~/.aws/config', CONTENTS['.aws/config'].replaceAll('\n', '\r\n'));
  await shell.line(`echo ${text} >~/secrets/added; echo do\\ne`, 'done');
}

/** What the vault in the volume of the claim holds, which outlives the Pod. */
async function inVolume(podman: RootlessPodman): Promise<Record<string, string>> {
  const inspect = ['volume', 'inspect', '--format={{.Mountpoint}}', 'tazpod-workspace'];
  const { stdout } = await podman.call(inspect);
  return openVault(await readFile(`${stdout}${VAULT.slice('/workspace'.length)}`));
}
