// `node FLAG… build/compile-files.ts FILE…`: compiles each text for this Node with these flags, which is what V8 binds code to, and
// writes the code to FILE.code.

import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

import { compileWhole } from './compile.ts';

for (const file of process.argv.slice(2))
  writeFileSync(`${file}.code`, compileWhole(readFileSync(file, 'latin1'), basename(file, '.js')));
