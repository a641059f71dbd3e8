// TAZPOD_AUTOLOCK=last-shell with shells of a real engine: each on a terminal that the container's kernel makes for it.

import { expect, test } from 'vitest';

import { Container, describeContainers } from '../support/container.ts';
import { EngineTerminal } from '../support/engine-terminal.ts';
import { leaks } from '../support/leaks.ts';
import { CANARIES, CONTENTS, PASSPHRASE } from '../support/vault.ts';
import { BY_FILE, Volumes } from '../support/volumes.ts';

const ENVIRONMENT = { ...BY_FILE, TAZPOD_AUTOLOCK: 'last-shell', TAZPOD_LOG_LEVEL: 'debug' } as const;
const WAIT = ['sh', '-c', 'echo ready; exec sleep infinity'];

describeContainers('the last shell of docker exec', () => {
  test('locks and saves when it is killed with -9, whatever it leaves behind; commands that are none lock nothing', async () => {
    await using volumes = await Volumes.create();
    await using container = await Container.start({
      flags: volumes.mayMount,
      environment: ENVIRONMENT,
      command: WAIT,
    });
    await container.waitForOutput(/^ready$/);
    await container.exec(['sh', '-c', 'true']);
    using once = await EngineTerminal.open(['exec', '-it', '-u', 'tazpod', container.name, 'tazpod', 'status']);
    expect(await once.ended).toBe(0);

    using first = await openShell(container);
    await shells(container, 1);
    using second = await openShell(container);
    await shells(container, 2);
    expect(await isUnlocked(container)).toBe(true);
    second.terminal.type('exit\r');
    expect(await second.ended).toBe(0);

    await first.line('echo by the first >~/secrets/added; echo do\\ne', 'done');
    await first.line('(trap "" HUP; echo set; exec sleep infinity) & disown', 'set\r\n');
    const [, pid = ''] = await first.line('echo "pid:" $$', /pid: (\d+)\r\n/);
    await container.exec(['sh', '-c', `kill -KILL ${pid}`]);
    await container.waitForOutput(/vault locked/);
    expect(await first.ended).toBe(137);
    expect(await isUnlocked(container)).toBe(false);
    expect(await volumes.saved()).toEqual({ ...CONTENTS, added: 'by the first\n' });
    expect(await leaks(container, volumes, CANARIES)).toEqual({});
  });

  test('is the one in a terminal of its own making, as long as that lives', async () => {
    await using volumes = await Volumes.create();
    await using container = await Container.start({
      flags: volumes.mayMount,
      environment: { ...ENVIRONMENT, TAZPOD_UNLOCK: 'never' },
      command: WAIT,
    });
    await container.waitForOutput(/^ready$/);
    // As tmux(1) and the terminals of an editor do it.
    const words = ['script', '--quiet', '--return', '--command', 'exec bash', '/dev/null'];
    using inner = await EngineTerminal.open(['exec', '-it', '-u', 'tazpod', container.name, ...words]);
    await inner.terminal.screen.waitFor('$ ');
    await inner.line('unset TAZPOD_PASSPHRASE_FILE; tazpod unlock', 'assphrase');
    await inner.line(PASSPHRASE, /unlocked[^$]*\$ /);
    await shells(container, 1);
    expect(await isUnlocked(container)).toBe(true);
    inner.terminal.type('exit 0\r');
    expect(await inner.ended).toBe(0);
    await container.waitForOutput(/vault locked/);
    expect(await isUnlocked(container)).toBe(false);
  });
});

async function openShell(container: Container): Promise<EngineTerminal> {
  const shell = await EngineTerminal.open(['exec', '-it', '-u', 'tazpod', container.name, 'bash']);
  await shell.terminal.screen.waitFor('$ ');
  return shell;
}

/** PID 1 tells how many shells there are, when it has seen one come or go. */
async function shells(container: Container, count: number): Promise<void> {
  await container.waitForOutput(new RegExp(`interactive shells: ${count}"`));
}

async function isUnlocked(container: Container): Promise<boolean> {
  return (await container.exec(['tazpod', 'status', '--unlocked'])).status === 0;
}
