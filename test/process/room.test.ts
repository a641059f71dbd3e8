// The room that a vault takes, as `tazpod vault verify` says it, against the kernel: an enclave of just that size holds it.

import { expect, test } from 'vitest';

import { ENCLAVE, VAULT_FILE } from '../../lib/paths.ts';
import { createPod, SECRET_FILE, startPod, WITH_SECRET } from '../support/pod.ts';
import type { Sandbox } from '../support/sandbox.ts';

const PAGE = 4096;

/** Files of a page, of one byte more and of none, names that share a file, links that do and do not fit into their inode. */
const TREE = `
  mkdir -p /tmp/tree/a/b; cd /tmp/tree
  for n in $(seq 20); do echo >small-$n; done
  : >empty
  head -c ${PAGE} /dev/zero >a/b/page
  head -c $((${PAGE} + 1)) /dev/zero >larger
  ln larger shares
  ln -s $(printf %127s | tr ' ' x) short
  ln -s $(printf %128s | tr ' ' x) long`;
const PAGES = 20 + 1 + 2 + 1;

/** Runs a script in a container of its own, with an enclave of that size. */
async function runIn(pod: Sandbox, unlock: string, size: number, script: string) {
  const variables = { ...WITH_SECRET.variables, TAZPOD_UNLOCK: unlock, TAZPOD_ENCLAVE_SIZE: String(size) };
  const running = await startPod(pod, ['sh', '-ec', script], { ...WITH_SECRET, variables });
  const { code } = await running.exited;
  return { code, stdout: await running.stdout.whole(), stderr: await running.stderr.whole() };
}

const OPTIONS = `--passphrase-file ${SECRET_FILE} --json`;

test('the room that is told, and a page for the passphrase, is enough for an unlock; a page less is not', async () => {
  await using pod = await createPod(null);
  const made = await runIn(
    pod,
    'never',
    2 ** 26,
    `(${TREE}); tazpod vault create /tmp/tree ${VAULT_FILE} ${OPTIONS} >/tmp/made; tazpod vault verify ${VAULT_FILE} ${OPTIONS}`,
  );
  expect(made).toMatchObject({ code: 0 });
  const { room } = JSON.parse(made.stdout) as { room: number };
  expect(room).toBe(PAGES * PAGE);
  const tight = await runIn(
    pod,
    'required',
    room + PAGE,
    `cat ${ENCLAVE}/small-20; df --output=avail ${ENCLAVE} | tail -n 1`,
  );
  expect(tight).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\s*0\n$/) });
  expect(await runIn(pod, 'required', room, 'true')).toMatchObject({
    code: 125,
    stderr: expect.stringContaining('TAZPOD_ENCLAVE_SIZE'),
  });
});

test('an enclave that is full before all of many files are there says so, and which did not fit', async () => {
  await using pod = await createPod(null);
  // Two thousand bytes each, which do not compress, and a page each.
  const tree = 'mkdir /tmp/tree; cd /tmp/tree; head -c 6000000 /dev/urandom | split -a 4 -b 2000 - file-';
  const made = await runIn(pod, 'never', 2 ** 26, `${tree}; tazpod vault create /tmp/tree ${VAULT_FILE} ${OPTIONS}`);
  expect(made).toMatchObject({ code: 0 });
  const whole = await runIn(pod, 'required', 3100 * PAGE, `ls ${ENCLAVE} | wc -l; cat ${ENCLAVE}/file-* | wc -c`);
  expect(whole).toMatchObject({ code: 0, stdout: '3000\n6000000\n' });
  const tight = await runIn(pod, 'required', 2900 * PAGE, 'true');
  expect(tight).toMatchObject({
    code: 125,
    stderr: expect.stringMatching(/tazpod: cannot write "file-[a-z]+": no space left on device \(/),
  });
});
