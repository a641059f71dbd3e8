import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { reference } from '../../../build/reference.ts';

test('docs/reference.md is what `npm run reference` makes of the tables of the help', async () => {
  const page = readFileSync(new URL('../../../docs/reference.md', import.meta.url), 'utf8');
  expect(page).toBe(await reference());
});
