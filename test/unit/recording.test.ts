// The recorded session shows what the page shows, to the last line: where the page changes, `npm run record` has to be called.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';

import { decodeCast, encodeCast } from '../../recording/terminal/cast.ts';
import { drawCast } from '../../recording/terminal/cast-svg.ts';
import { play, transcriptsOf } from '../../recording/transcript.ts';
import { Screen } from '../support/screen.ts';

const DOCS = join(import.meta.dirname, '../../docs');
const read = (name: string): string => readFileSync(join(DOCS, name), 'utf8');

test('docs/first-minute.cast shows what docs/first-vault.md shows', async () => {
  const { pieces } = decodeCast(read('first-minute.cast'));
  const screen = new Screen(Readable.from(pieces.map(({ text }) => Buffer.from(text))));
  await screen.whole();
  const typist = { waitFor: (pattern: RegExp) => screen.waitFor(pattern), type: async () => {} };
  const played = play(transcriptsOf(read('first-vault.md')).flat(), typist, { answer: '', last: '$ ' });
  await expect(played).resolves.toBeUndefined();
});

test('docs/first-minute.svg is drawn of it', async () => {
  const file = read('first-minute.cast');
  const cast = decodeCast(file);
  expect(encodeCast(cast)).toBe(file);
  expect(await drawCast(cast)).toBe(read('first-minute.svg'));
});
