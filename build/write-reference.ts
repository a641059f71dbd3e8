// `npm run reference`: writes docs/reference.md anew.

import { writeFile } from 'node:fs/promises';

import { reference } from './reference.ts';

await writeFile(new URL('../docs/reference.md', import.meta.url), await reference());
