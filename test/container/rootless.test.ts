// Podman without root: PID 1 is root of a user namespace that an ordinary user made, or no root at all.
// `keep-id` makes that user the operator, whose workspace it is.

import { afterAll, beforeAll, expect, test } from 'vitest';

import { describeContainers, newName } from '../support/container.ts';
import { RootlessPodman, whyNoRootlessPodman } from '../support/rootless-podman.ts';
import { CONTENTS } from '../support/vault.ts';

const problem = await whyNoRootlessPodman();
if (problem !== '' && process.env['CI'] === 'true') throw new Error(`cannot test rootless podman: ${problem}`);

const KEEP_ID = '--userns=keep-id:uid=1000,gid=1000';

interface Mode {
  readonly name: string;
  readonly flags: readonly string[];
  readonly bridge: 'mount' | 'link';
  readonly socket: boolean;
}

const MODES: readonly Mode[] = [
  {
    name: 'with CAP_SYS_ADMIN in its own user namespace',
    flags: ['--user', 'root', '--cap-add', 'SYS_ADMIN'],
    bridge: 'mount',
    socket: true,
  },
  {
    name: 'with CAP_SYS_ADMIN in its own user namespace, on a read-only root file system',
    flags: ['--user', 'root', '--cap-add', 'SYS_ADMIN', '--read-only'],
    bridge: 'mount',
    socket: true,
  },
  {
    name: 'without any added capability, in an enclave of the engine’s',
    flags: ['--user', 'root', '--tmpfs', '/home/tazpod/secrets:size=64m,mode=0700'],
    bridge: 'link',
    socket: true,
  },
  {
    name: 'as the operator from the start, in an enclave of the engine’s',
    flags: [
      '--user',
      '1000',
      '--mount',
      'type=tmpfs,destination=/home/tazpod/secrets,tmpfs-size=64m,tmpfs-mode=0700,U=true',
    ],
    bridge: 'link',
    socket: false,
  },
  {
    name: 'as the operator from the start, whom podman can give CAP_SYS_ADMIN, and whose command has it no more',
    flags: ['--user', '1000', '--cap-add', 'SYS_ADMIN'],
    bridge: 'mount',
    socket: false,
  },
];

describeContainers('rootless podman', () => {
  let podman: RootlessPodman | undefined;

  beforeAll(async () => {
    if (problem === '') podman = await RootlessPodman.create();
  });

  afterAll(async () => {
    await podman?.[Symbol.asyncDispose]();
  });

  test.for(MODES)('unlocks, saves and locks $name', async ({ flags, bridge, socket }, { skip }) => {
    if (podman === undefined) return skip(problem);
    await podman.reset();
    const name = newName();
    const show = `[ -L ~/.aws ] && echo link || echo mount; cat ~/.aws/config; grep CapEff /proc/self/status`;
    const script = `{ ${show}; echo changed >~/secrets/notes.md; } >/workspace/shown; echo ready; exec sleep infinity`;
    expect(await podman.start(name, [KEEP_ID, ...flags], ['sh', '-c', script])).toMatchObject({ status: 0 });
    await podman.untilReady(name);
    expect(await podman.workspaceFile('shown')).toBe(
      `${bridge}\n${CONTENTS['.aws/config']}CapEff:\t0000000000000000\n`,
    );
    expect(await podman.call(['exec', name, 'tazpod', 'status', '--unlocked'])).toMatchObject({
      status: socket ? 0 : 17,
    });
    expect(await podman.call(['stop', name])).toMatchObject({ status: 0 });
    expect(await podman.call(['wait', name])).toMatchObject({ stdout: '143' });
    expect(await podman.saved()).toEqual({ ...CONTENTS, 'notes.md': 'changed\n' });
  });
});
