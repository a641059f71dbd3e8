// The programs are files of their own: whoever may run them can, wherever, and whatever else the machine calls `node`.

import { expect, test } from 'vitest';

import { INITS, Sandbox } from '../support/sandbox.ts';

const OWN_NODE =
  'mkdir /tmp/bin; printf "#!/bin/sh\\necho another node; exit 9\\n" >/tmp/bin/node; chmod -R 0755 /tmp/bin';

test.each([
  { program: 'tazpod', line: ['/usr/local/bin/tazpod', '--version'], says: /^tazpod \d/ },
  { program: 'tazpod-entrypoint', line: [INITS.ours, '--version'], says: /^tazpod-entrypoint \d/ },
])('$program runs as any user, in any directory, without the machine’s node', async ({ line, says }) => {
  await using sandbox = await Sandbox.create();
  for (const user of [0, 1000, 65_534]) {
    const running = await sandbox.start(line, {
      user,
      directory: '/var/tmp',
      environment: { PATH: '/tmp/bin', NODE: '/tmp/bin/node' },
      prepare: user === 0 ? OWN_NODE : '',
    });
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await running.stdout.whole()).toMatch(says);
    expect(await running.stderr.whole()).toBe('');
  }
});
