// Somebody else's image with ours added to it, by the README's one COPY: Debian's, as slim as it comes.

import { expect, test } from 'vitest';

import { describeContainers, runToEnd } from '../support/container.ts';
import { ADD_TO_IMAGE, buildFrom } from '../support/derived-image.ts';
import { IMAGE } from '../support/image.ts';
import { CONTENTS } from '../support/vault.ts';
import { BY_FILE, Volumes } from '../support/volumes.ts';

const CREDENTIALS = CONTENTS['.aws/credentials'].trimEnd();

describeContainers('an image with ours added', () => {
  test('needs no account and no library of its own: the operator is made at the first start', async () => {
    await using image = await buildFrom(`FROM debian:bookworm-slim\n${ADD_TO_IMAGE}`);
    const noLibrary = await runToEnd({
      image: image.name,
      flags: ['--entrypoint', 'sh'],
      command: ['-c', 'ldconfig -p | grep -c atomic'],
    });
    expect(noLibrary.stdout).toBe('0');

    await using volumes = await Volumes.create();
    const script = 'id -un; id -u; echo $HOME; stat -c %U:%a ~; cat ~/.aws/credentials';
    const run = await runToEnd({
      image: image.name,
      flags: volumes.mayMount,
      environment: BY_FILE,
      command: ['sh', '-c', script],
    });
    expect(run).toMatchObject({ status: 0, stdout: `tazpod\n1000\n/home/tazpod\ntazpod:755\n${CREDENTIALS}` });
  });

  test('keeps an account that has uid 1000 already: the operator gets the next', async () => {
    await using image = await buildFrom(`FROM debian:bookworm-slim\nRUN useradd --uid 1000 developer\n${ADD_TO_IMAGE}`);
    await using volumes = await Volumes.create({ owner: 1001 });
    const script = 'id -u; id -un 1000; cat ~/.aws/credentials; echo more >~/secrets/more';
    const run = await runToEnd({
      image: image.name,
      flags: volumes.mayMount,
      environment: BY_FILE,
      command: ['sh', '-c', script],
    });
    expect(run).toMatchObject({ status: 0, stdout: `1001\ndeveloper\n${CREDENTIALS}` });
    expect(await volumes.saved()).toEqual({ ...CONTENTS, more: 'more\n' });
  });

  test('is given a login shell by `docker run IMAGE`, as ours is', async () => {
    await using image = await buildFrom(`FROM debian:bookworm-slim\n${ADD_TO_IMAGE}`);
    const run = await runToEnd(
      { image: image.name },
      'echo "$0 of $(id -un) in $PWD"; shopt -q login_shell && echo login\n',
    );
    expect(run).toMatchObject({ status: 0, stdout: 'bash of tazpod in /\nlogin' });
  });
});

describeContainers('an image that has files in ~/.aws', () => {
  const OWN_AWS = `FROM ${IMAGE}
    RUN echo of the image >/home/tazpod/.aws/config && chown -R tazpod /home/tazpod/.aws`;
  const SHOW = ['sh', '-c', 'cat ~/.aws/config; tazpod lock; cat ~/.aws/config'];

  test('has them covered by the vault’s until it is locked, and says so', async () => {
    await using image = await buildFrom(OWN_AWS);
    await using volumes = await Volumes.create();
    const options = { image: image.name, environment: BY_FILE, command: SHOW };
    const run = await runToEnd({ ...options, flags: volumes.mayMount });
    expect(run).toMatchObject({ status: 0, stdout: `${CONTENTS['.aws/config']}of the image` });
    expect(run.stderr).toContain('in the clear');
  });

  test('keeps them where they cannot be put aside for a link: it stays locked, with an error that says why', async () => {
    await using image = await buildFrom(OWN_AWS);
    await using volumes = await Volumes.create();
    const options = { image: image.name, environment: BY_FILE, command: SHOW };
    const run = await runToEnd({ ...options, flags: [...volumes.flags, '--tmpfs', '/home/tazpod/secrets'] });
    expect(run).toMatchObject({ status: 0, stdout: 'of the image\nof the image' });
    expect(run.stderr).toMatch(/cannot put \/home\/tazpod\/\.aws aside.*image[^]*--cap-add SYS_ADMIN/);
  });
});
