// Names of files are secrets, too: PID 1 lists the enclave to watch it, to give it to the operator and to wipe it, and its memory
// never holds a name of what is in it.

import { expect, test } from 'vitest';

import { ENCLAVE } from '../../lib/paths.ts';
import { createPod, NOTHING, startUnlocked, traces, wordsInMemory } from '../support/pod.ts';
import { sealVault } from '../support/vault.ts';

const OPERATOR = 1000;
const NAMES = ['file-canary-b01f', 'directory-canary-77c2', 'deep-canary-19aa', 'made-canary-e5d3', 'link-canary-08bb'];
const [FILE, DIRECTORY, DEEP, MADE, LINK] = NAMES;

test('no name of a file of the vault is ever in the memory of PID 1', async () => {
  await using pod = await createPod(
    await sealVault({ [`${FILE}`]: 'file', [`${DIRECTORY}/${DEEP}/${DEEP}`]: 'deep', [`${DIRECTORY}/closed`]: '' }),
  );
  // An autosave could be at it while we look.
  const running = await startUnlocked(pod, { variables: { TAZPOD_AUTOSAVE: 'off' } });
  expect(await wordsInMemory(running.pid, NAMES)).toEqual([]);

  // By root, so that a save has to change the owner; without permissions, so that it has to lend some.
  await running.exec([
    'sh',
    '-ec',
    `cd ${ENCLAVE}; mkdir ${MADE}; echo made >${MADE}/${MADE}; ln -s ${FILE} ${LINK}; chmod 0 ${DIRECTORY}/closed`,
  ]);
  expect(await running.exec(['tazpod', 'save'], { user: OPERATOR })).toMatchObject({ code: 0 });
  const { stdout } = await running.exec(['find', ENCLAVE, '!', '-user', String(OPERATOR)]);
  expect(stdout).toBe('');
  expect(await wordsInMemory(running.pid, NAMES)).toEqual([]);

  expect(await running.exec(['tazpod', 'lock'], { user: OPERATOR })).toMatchObject({ code: 0 });
  expect(await traces(pod, running)).toEqual(NOTHING);
  expect(await wordsInMemory(running.pid, NAMES)).toEqual([]);
});
