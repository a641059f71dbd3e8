// What a person would see, where there is nobody to see it: shows what is unlocked, stops the container as `docker stop` does, and
// looks whether it is locked then. Throws where it is not.

import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

import { TazpodError } from '../lib/errors.ts';
import { BRIDGE_TARGET, ENCLAVE } from '../lib/paths.ts';
import type { Bundle } from './bundle.ts';
import { PROJECT, startContainer, type Container } from './container.ts';
import type { Launch } from './launch.ts';
import { parseMountinfo, type Mount } from './mountinfo.ts';

/** The command ends only when it is told to; TERM is what `docker stop` sends. */
const LOOK_AROUND = `
echo "operator:      $(id -un), uid $(id -u); its parent is process $PPID, $(tr '\\0' ' ' </proc/$PPID/comm)"
echo "mounts:"
grep -E ' ${ENCLAVE}| ${BRIDGE_TARGET}' /proc/self/mountinfo | sed 's/^/  /'
echo "~/secrets:"
ls -lA ~/secrets | sed 's/^/  /'
echo "~/.aws/credentials:"
sed 's/^/  /' ~/.aws/credentials
echo "waiting to be stopped"
exec sleep infinity
`;

/**
 * @param launch the init and its environment; the command is added
 * @param write takes what there is to show
 * @throws TazpodError `unexpected` that says what is not as it should be
 */
export async function demonstrate(bundle: Bundle, launch: Launch, write: (text: string) => void): Promise<void> {
  const container = await startContainer(bundle, { ...launch, command: [...launch.command, 'sh', '-c', LOOK_AROUND] });
  const said = await show(container, write);
  if (!said.includes('waiting to be stopped')) {
    const { code } = await container.exited;
    throw new TazpodError('unexpected', `cannot show what is unlocked: the container has ended with status ${code}`);
  }
  const enclave = (await mountsOf(container.pid)).find(({ point }) => point === ENCLAVE);
  if (enclave === undefined) throw new TazpodError('unexpected', `cannot find anything mounted on ${ENCLAVE}`);

  // Held, so that no other container's gets its number.
  await using held = await open(`/proc/${container.pid}/ns/mnt`).catch(() => undefined);
  const namespaces = held && (await Promise.all([container.pid, 'self'].map(mountNamespace)));
  write('\nstopping it, as docker stop does (TERM)\n');
  const begin = performance.now();
  container.kill('SIGTERM');
  const { code } = await container.exited;
  write(
    `ended with status ${code} (143: the command was ended by TERM) after ${Math.round(performance.now() - begin)} ms\n`,
  );
  if (code !== 143) throw new TazpodError('unexpected', `cannot call that a stop: status ${code}, where 143 was due`);
  await checkLocked(bundle, enclave, namespaces);
  write(
    'locked: the enclave is mounted nowhere, and no file that the container has left holds a secret of the vault\n',
  );
}

/** Passes on what the container says until it waits; the rest flows on by itself. */
async function show({ stdout, stderr }: Container, write: (text: string) => void): Promise<string> {
  let said = '';
  const { promise, resolve } = Promise.withResolvers<void>();
  const flow = (stream: Readable | undefined) =>
    stream?.setEncoding('utf8').on('data', (text: string) => {
      write(text);
      said += text;
      if (said.includes('waiting to be stopped')) resolve();
    });
  flow(stderr);
  flow(stdout)?.once('end', resolve);
  await promise;
  return said;
}

/** @param namespaces of mounts, those to look into: elsewhere the enclave of another container may have its device's number by now */
async function checkLocked(bundle: Bundle, enclave: Mount, namespaces: readonly string[] | undefined): Promise<void> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    if (namespaces?.includes(await mountNamespace(pid)) === false) continue;
    const mounts = await mountsOf(Number(pid));
    if (mounts.some(({ point, device }) => point.endsWith(ENCLAVE) && device === enclave.device)) {
      throw new TazpodError('unexpected', `cannot call that locked: process ${pid} still sees the enclave`);
    }
  }
  const credentials = await readFile(join(PROJECT, 'sandbox/sample/.aws/credentials'), 'utf8');
  const secret = /aws_secret_access_key = (.*)/.exec(credentials)?.[1] ?? '';
  const { code, stdout } = await bundle.inspect(['grep', '-rlF', '--', secret, bundle.layer, `${bundle.workspace}/`]);
  if (code !== 1) throw new TazpodError('unexpected', `cannot call that locked: the sample's secret is in ${stdout}`);
}

/** Empty where it is gone, or is not ours to look at. */
function mountNamespace(pid: number | string): Promise<string> {
  return readlink(`/proc/${pid}/ns/mnt`).catch(() => '');
}

/** What a process sees mounted; nothing where it is gone, or is not ours to look at. */
async function mountsOf(pid: number): Promise<Mount[]> {
  return readFile(`/proc/${pid}/mountinfo`, 'utf8').then(parseMountinfo, () => []);
}
