// A project of somebody else's, mounted as people mount it: what the container writes there is theirs, and docker finds the
// operator by its name. Directories of the engine's machine are made and looked at by way of containers: it may be another one.

import { expect, test } from 'vitest';

import { Container, describeContainers, docker, newName, runToEnd } from '../support/container.ts';
import { buildFrom } from '../support/derived-image.ts';
import { IMAGE, MAY_MOUNT } from '../support/image.ts';
import { PASSPHRASE, SECRET } from '../support/vault.ts';

const WORKS = { TAZPOD_PASSPHRASE: PASSPHRASE, TAZPOD_LOG_FORMAT: 'pretty' } as const;
const LOOK = 'id -u; id -g; id -un; touch /workspace/made; stat -c %u:%g ~ /workspace/made /workspace/.tazpod';

/** A directory of the engine's machine, of an owner: a volume into which the engine copies nothing of the image. */
class Project implements AsyncDisposable {
  readonly name = newName();

  static async of(uid: number, gid = uid): Promise<Project> {
    const project = new Project();
    await project.#asRoot(`chown ${uid}:${gid} /project; chmod 755 /project`);
    return project;
  }

  get flags(): string[] {
    return ['--volume', `${this.name}:/workspace:nocopy`];
  }

  give(uid: number): Promise<string> {
    return this.#asRoot(`chown -hR ${uid}:${uid} /project`);
  }

  owners(name: string): Promise<string> {
    return this.#asRoot(`stat -c %u:%g /project/${name}`);
  }

  async #asRoot(script: string): Promise<string> {
    const flags = ['--entrypoint', 'sh', '--volume', `${this.name}:/project:nocopy`];
    const { status, stdout, stderr } = await runToEnd({ flags, command: ['-c', script] });
    if (status !== 0) throw new Error(`cannot look at a volume: ${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await docker(['volume', 'rm', '--force', this.name]);
  }
}

describeContainers('a project of uid 1234', () => {
  test('makes the operator uid 1234, by its name for `docker exec -u tazpod`, too', async () => {
    await using project = await Project.of(1234);
    const command = ['sh', '-c', `${LOOK}; echo ready; exec sleep infinity`];
    const flags = [...project.flags, ...MAY_MOUNT];
    await using container = await Container.start({ flags, environment: WORKS, command });
    await container.waitForOutput(/^ready$/);
    expect(await container.logs()).toMatch(/^1234\n1234\ntazpod\n(1234:1234\n){3}ready$/m);
    const byName = await container.exec(
      ['sh', '-c', 'id -u; id -g; cat >~/secrets/mine; tazpod lock'],
      ['-u', 'tazpod'],
    );
    expect(byName).toMatchObject({ status: 0, stdout: '1234\n1234' });
    expect(await container.exec(['tazpod', 'status'])).toMatchObject({ status: 0 });
    expect(await project.owners('.tazpod/vault/vault.tar.aes')).toBe('1234:1234');
    expect((await container.exec(['tazpod', 'doctor'])).stdout).toMatch(
      /^ok +workspace .*the operator's to write to$/m,
    );
  });

  test('is followed through `docker restart`, and when it has another owner then', async () => {
    await using project = await Project.of(1234);
    const command = [
      'sh',
      '-c',
      'cat ~/secrets/mine; echo of $(id -u) >~/secrets/mine; echo ready; exec sleep infinity',
    ];
    const flags = [...project.flags, ...MAY_MOUNT];
    await using container = await Container.start({ flags, environment: WORKS, command });
    await container.waitForOutput(/^ready$/);
    await docker(['restart', container.name]);
    await container.waitForOutput(/^of 1234$/);
    await docker(['stop', container.name]);
    expect((await container.logs()).match(/the operator "tazpod" is uid/g)).toHaveLength(1);
    await project.give(4321);
    await docker(['start', container.name]);
    await container.waitForOutput(/the operator "tazpod" is uid 4321 now, not 1234/);
    expect((await container.exec(['id', '-u', 'tazpod'])).stdout).toBe('4321');
  });

  test('is followed in an enclave of the engine’s, which was given uid 1000', async () => {
    await using project = await Project.of(1234);
    const enclave = ['--tmpfs', '/home/tazpod/secrets:size=64m,mode=0700,uid=1000,gid=1000'];
    const command = ['sh', '-c', 'cat >~/secrets/mine; stat -c %u ~/secrets ~/secrets/mine'];
    const run = await runToEnd({ flags: [...project.flags, ...enclave], environment: WORKS, command }, SECRET);
    expect(run).toMatchObject({ status: 0, stdout: '1234\n1234' });
    expect(await project.owners('.tazpod/vault/vault.tar.aes')).toBe('1234:1234');
  });
});

describeContainers('a project that the operator cannot be the owner of', () => {
  test('as docker makes a missing directory: root’s; the warning has the line', async () => {
    await using project = await Project.of(0);
    const run = await runToEnd({ flags: project.flags, environment: WORKS, command: ['id', '-u'] });
    expect(run).toMatchObject({ status: 0, stdout: '1000' });
    expect(run.stderr).toMatch(/\/workspace belongs to uid 0;.*docker makes.*\n.*sudo chown -R 1000:1000 DIR/);
  });

  test('because another account has that uid: the warning names that, which can be the operator', async () => {
    await using image = await buildFrom(`FROM ${IMAGE}\nRUN useradd --uid 1500 --create-home developer`);
    await using project = await Project.of(1500);
    const options = { image: image.name, flags: project.flags, command: ['id', '-un'] };
    const run = await runToEnd(options);
    expect(run).toMatchObject({ status: 0, stdout: 'tazpod' });
    expect(run.stderr).toContain('TAZPOD_USER=developer');
    expect(await runToEnd({ ...options, environment: { TAZPOD_USER: 'developer' } })).toMatchObject({
      status: 0,
      stdout: 'developer',
    });
  });
});
