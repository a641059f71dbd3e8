// `docker stop`, with whatever runs in the container: each time the vault is saved, the status is the command's, it takes less
// than the engine's grace, and nothing that was in the vault is left anywhere.

import { once } from 'node:events';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';

import { Container, describeContainers, docker, newName, runArguments } from '../support/container.ts';
import { EngineTerminal } from '../support/engine-terminal.ts';
import { leaks, secretsOnDisk } from '../support/leaks.ts';
import { CANARIES, CONTENTS } from '../support/vault.ts';
import { BY_FILE, Volumes } from '../support/volumes.ts';

const GRACE = 10; // seconds, as docker has it
const LATE = 'late-canary-7be0';
const SHELL = ['exec', '--interactive', '--user', 'tazpod'];

describeContainers('docker stop', () => {
  const commands: { name: string; command: string[]; status: number }[] = [
    { name: 'sleep', command: ['sh', '-c', 'echo ready; exec sleep infinity'], status: 143 },
    {
      name: 'a command that ends in its own way',
      command: ['bash', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 1 & wait $!; done'],
      status: 7,
    },
    {
      name: 'a command that ignores SIGTERM',
      command: ['sh', '-c', 'trap "" TERM; echo ready; exec sleep infinity'],
      status: 137,
    },
  ];

  test.each(commands)('with $name ends with $status, saved and without a trace', async ({ command, status }) => {
    await using volumes = await Volumes.create();
    await using container = await Container.start({ flags: volumes.mayMount, environment: BY_FILE, command });
    await container.waitForOutput(/^ready$/);
    await writeLate(container);
    expect(await stopped(container)).toBe(status);
    await expectSavedAndGone(container, volumes);
  });

  test('with bash -i on a terminal ends with 129, saved and without a trace', async () => {
    await using volumes = await Volumes.create();
    await using container = new Container(newName());
    const options = { flags: volumes.mayMount, environment: BY_FILE, command: ['bash', '-i'] };
    using shell = await EngineTerminal.open(['run', '-it', ...runArguments(container.name, options)]);
    await shell.terminal.screen.waitFor('$ ');
    await shell.line('cd ~/secrets; sleep infinity <notes.md & echo rea\\dy', 'ready\r\n');
    await writeLate(container);
    expect(await stopped(container)).toBe(129);
    expect(await shell.ended).toBe(129);
    await expectSavedAndGone(container, volumes);
  });

  test('with shells from docker exec and jobs that hold files open in the enclave', async () => {
    await using volumes = await Volumes.create();
    const command = ['sh', '-c', 'cd ~/secrets; exec 3<notes.md; sleep infinity & echo ready; wait'];
    await using container = await Container.start({ flags: volumes.mayMount, environment: BY_FILE, command });
    await container.waitForOutput(/^ready$/);
    const holding =
      'exec 3</home/tazpod/secrets/notes.md 4>>/home/tazpod/secrets/log; cd /home/tazpod/secrets; echo up;';
    const shells = [
      await started([...SHELL, container.name, 'sh', '-c', `${holding} exec sleep infinity`]),
      await started([
        ...SHELL,
        container.name,
        'bash',
        '-c',
        `trap "" TERM HUP; ${holding} while :; do sleep 60; done`,
      ]),
      await started(['exec', '--interactive', container.name, 'sh', '-c', `${holding} exec sleep infinity`]),
    ];
    using person = await EngineTerminal.open(['exec', '-u', 'tazpod', '-it', container.name, 'bash', '-i']);
    await person.terminal.screen.waitFor('$ ');
    await person.line('cd ~/secrets; exec 5<notes.md; echo rea\\dy', 'ready\r\n');

    await writeLate(container);
    expect(await stopped(container)).toBe(143);
    await Promise.all(shells.map(({ ended }) => ended));
    await expectSavedAndGone(container, volumes, { log: '' });
  });

  test('at the passphrase prompt ends with 143, and leaves the vault as it was', async () => {
    await using volumes = await Volumes.create();
    await using container = new Container(newName());
    using shell = await EngineTerminal.open([
      'run',
      '-it',
      ...runArguments(container.name, { flags: volumes.mayMount }),
    ]);
    await shell.terminal.screen.waitFor('Passphrase: ');
    expect(await stopped(container)).toBe(143);
    expect(await shell.ended).toBe(143);
    expect(await volumes.saved()).toEqual(CONTENTS);
  });
});

describe('the search for leaks', () => {
  describeContainers('finds', () => {
    test('a word wherever it is: on disk, in the workspace, the log, arguments and environment', async () => {
      await using volumes = await Volumes.create({ vault: null });
      const word = 'a-word-that-is-everywhere';
      await using container = await Container.start({
        flags: volumes.flags,
        environment: { WORD: word },
        command: [
          'sh',
          '-c',
          `echo ${word} | tee ~/file >/workspace/file; echo ${word}; mkdir -p ~/.aws; echo >~/.aws/config`,
        ],
      });
      await container.wait();
      expect(await leaks(container, volumes, ['a-word-that-is-nowhere', word])).toEqual({
        'file system': [word],
        workspace: [word],
        log: [word],
        arguments: [word],
        environment: [word],
      });
      expect(await secretsOnDisk(container)).toEqual(['A /home/tazpod/.aws/config']);
    });
  });
});

/** Writes a file into the enclave by way of standard input: no argument tells the engine what is in it. */
async function writeLate(container: Container): Promise<void> {
  const write = [...SHELL, container.name, 'sh', '-c', 'cat >~/secrets/late'];
  expect(await docker(write, { input: LATE })).toMatchObject({ status: 0 });
}

/** Stops the container, in less than the grace; its exit status. */
async function stopped(container: Container): Promise<number> {
  const { status, milliseconds } = await container.stop(GRACE);
  expect(milliseconds).toBeLessThan(GRACE * 1000);
  return status;
}

async function expectSavedAndGone(
  container: Container,
  volumes: Volumes,
  more: Record<string, string> = {},
): Promise<void> {
  expect(await volumes.saved()).toEqual({ ...CONTENTS, ...more, late: LATE });
  expect(await secretsOnDisk(container)).toEqual([]);
  expect(await leaks(container, volumes, [...CANARIES, LATE])).toEqual({});
}

/**
 * Starts a process in the container, and waits until it has said something.
 * @returns its client's end, whatever the status
 */
async function started(args: readonly string[]): Promise<{ readonly ended: Promise<unknown> }> {
  const client = execa('docker', args, { stdin: 'pipe', reject: false });
  await once(client.stdout, 'data');
  return { ended: client };
}
