// The image as its users see it: what it is set to do, what is in it, and what it gives to other images.

import { GenericContainer, Wait } from 'testcontainers';
import { expect, inject, test } from 'vitest';
import { Container, describeContainers, docker, newName, runToEnd } from '../support/container.ts';
import { ADD_TO_IMAGE, buildFrom } from '../support/derived-image.ts';
import { IMAGE, MAY_MOUNT } from '../support/image.ts';

describeContainers('the image', () => {
  test('starts PID 1 as root with a login shell, and is stopped by SIGTERM', async () => {
    const { stdout } = await docker(['image', 'inspect', '--format', '{{json .Config}}', IMAGE]);
    expect(JSON.parse(stdout)).toMatchObject({
      User: 'root',
      WorkingDir: '/workspace',
      Entrypoint: ['/usr/local/bin/tazpod-entrypoint'],
      Cmd: ['bash', '-l'],
      StopSignal: 'SIGTERM',
      Healthcheck: { Test: ['CMD', '/usr/local/bin/tazpod', 'status', '--quiet'] },
      Labels: { 'org.opencontainers.image.title': 'tazpod' },
    });
  });

  test('runs a command as the operator, in the workspace', async () => {
    const run = await runToEnd({ command: ['sh', '-c', 'id -un; id -u; pwd; echo $HOME'] });
    expect(run).toMatchObject({ status: 0, stdout: 'tazpod\n1000\n/workspace\n/home/tazpod' });
  });

  test('passes the command’s status on', async () => {
    const run = await runToEnd({ command: ['sh', '-c', 'exit 7'] });
    expect(run.status).toBe(7);
  });

  test('lists the workspace with `docker run IMAGE ls -l`', async () => {
    const run = await runToEnd({ command: ['ls', '-l'] });
    expect(run).toMatchObject({ status: 0, stdout: expect.stringMatching(/^total /) });
  });

  test('reads commands from its standard input without a command', async () => {
    const run = await runToEnd({}, 'echo "from $0"\n');
    expect(run).toMatchObject({ status: 0, stdout: 'from bash' });
  });

  test('has the manual pages and the completions where man and the shells look for them, and gives them on', async () => {
    const script = `
      set -eu
      cd /usr/share
      for page in tazpod tazpod-entrypoint; do zcat man/man1/$page.1.gz | grep -c '^.TH'; done
      tazpod completion bash | cmp - bash-completion/completions/tazpod
      tazpod completion zsh | cmp - zsh/vendor-completions/_tazpod
      tazpod completion fish | cmp - fish/vendor_completions.d/tazpod.fish
      . bash-completion/completions/tazpod
      complete -p tazpod
      cd /dist/usr/share
      find . -type f | while read -r file; do cmp $file /usr/share/$file; echo $file; done | wc -l`;
    const run = await runToEnd({ command: ['bash', '-c', script] });
    expect(run).toMatchObject({ status: 0, stdout: '1\n1\ncomplete -F _tazpod tazpod\n5' });
  });

  test('gives a named volume at /workspace to the operator', async () => {
    const volume = newName();
    try {
      const flags = ['--volume', `${volume}:/workspace`];
      const run = await runToEnd({ flags, command: ['sh', '-c', 'touch mine && stat -c %U mine .'] });
      expect(run).toMatchObject({ status: 0, stdout: 'tazpod\ntazpod' });
    } finally {
      await docker(['volume', 'rm', volume]);
    }
  });

  test('mounts the enclave in RAM with the capability and the AppArmor option that it asks for', async () => {
    const run = await runToEnd({
      flags: MAY_MOUNT,
      environment: { TAZPOD_PASSPHRASE: 'open sesame', TAZPOD_UNLOCK: 'required' },
      command: ['stat', '--file-system', '--format', '%T', '/home/tazpod/secrets'],
    });
    expect(run).toMatchObject({ status: 0, stdout: 'tmpfs' });
  });

  test('is healthy while it runs, locked or not', async () => {
    const [key = '', value = ''] = inject('runLabel').split('=');
    const container = await new GenericContainer(IMAGE)
      .withNetworkMode('none')
      .withLabels({ [key]: value })
      .withCommand(['sleep', 'infinity'])
      // As the image's own, which waits half a minute before the first look.
      .withHealthCheck({
        test: ['CMD', '/usr/local/bin/tazpod', 'status', '--quiet'],
        interval: 1000,
        timeout: 5000,
        retries: 2,
      })
      .withWaitStrategy(Wait.forHealthCheck())
      .start();
    const status = await container.exec(['tazpod', 'status']);
    await container.stop();
    expect(status.exitCode).toBe(0);
  });

  test('keeps a PID 1 that docker stop ends within its grace', async () => {
    await using container = await Container.start({ command: ['sh', '-c', 'echo up; exec sleep infinity'] });
    await container.waitForOutput(/^up$/);
    const { status, milliseconds } = await container.stop();
    expect(status).toBe(143);
    expect(milliseconds).toBeLessThan(10_000);
  });
});

describeContainers('what the image gives to other images', () => {
  test('is one copy on disk: /dist and the installed files are the same', async () => {
    const files = ['/dist/usr/local/bin/tazpod-entrypoint', '/usr/local/bin/tazpod-entrypoint'];
    const run = await runToEnd({ command: ['stat', '-c', '%i', ...files] });
    const [shipped, installed] = run.stdout.split('\n');
    expect(shipped).toBe(installed);
  });

  test('works on a bare Debian after COPY --from, with nothing installed', async () => {
    await using image = await buildFrom(`
      FROM debian:bookworm-slim
      RUN useradd --uid 1000 --create-home tazpod
      ${ADD_TO_IMAGE}
    `);
    const run = await runToEnd({ image: image.name, command: ['sh', '-c', 'id -un; tazpod --version; exit 7'] });
    expect(run).toMatchObject({ status: 7, stdout: expect.stringMatching(/^tazpod\ntazpod \d+\.\d+\.\d+$/) });
  });
});
