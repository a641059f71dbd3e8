// `npm run record`: types the sessions of docs/first-vault.md as a person would, on a real terminal, with a real engine and image, and
// leaves the recording as docs/first-minute.cast, and as docs/first-minute.svg, which plays by itself.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { buildImage } from '../build/container-image.ts';
import { PROJECT } from '../sandbox/container.ts';
import { FIRST_SECRETS, HostShell, PASSPHRASE } from '../test/support/host-shell.ts';
import { decodeCast, encodeCast } from './terminal/cast.ts';
import { drawCast } from './terminal/cast-svg.ts';
import { play, transcriptsOf } from './transcript.ts';

const DOCS = join(PROJECT, 'docs');
const SIZE = { columns: 124, rows: 26 };
/** As people type, and read before they type. */
const KEY = 30; // ms
const LOOK = 500; // ms

await buildImage({ tag: 'tazpod:dev', quiet: true });
await using shell = await HostShell.open({ runFlags: ['--network', 'none'], home: FIRST_SECRETS, size: SIZE });
const begin = performance.now();
const pieces: { time: number; text: string }[] = [];
shell.onScreen((text) => pieces.push({ time: (performance.now() - begin) / 1000, text }));

const page = await readFile(join(DOCS, 'first-vault.md'), 'utf8');
await play(
  transcriptsOf(page).flat(),
  {
    waitFor: (pattern) => shell.waitFor(pattern),
    async type(line) {
      await delay(LOOK);
      for (const key of line) {
        shell.press(key);
        await delay(KEY);
      }
      shell.press('\r');
    },
  },
  { answer: PASSPHRASE, last: HostShell.prompt },
);

const file = encodeCast({ ...SIZE, title: 'TazPod: the first minute', pieces });
await writeFile(join(DOCS, 'first-minute.cast'), file);
await writeFile(join(DOCS, 'first-minute.svg'), await drawCast(decodeCast(file)));
