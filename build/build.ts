// `npm run build [-- --rpath PATH]`: leaves dist/tazpod-entrypoint and dist/tazpod, up to date,
// and dist/share with what belongs below /usr/share.

import { parseArgs } from 'node:util';
import { buildExecutable, DIST } from './executable.ts';
import { SHARE, writeShare } from './share.ts';

const { values } = parseArgs({ options: { rpath: { type: 'string' } } });

try {
  const { made, launcher, stripped } = await buildExecutable(values.rpath);
  console.log(`${made ? 'built' : 'up to date'}: ${DIST}/tazpod-entrypoint, ${DIST}/tazpod`);
  await writeShare();
  console.log(`written: ${SHARE} (manual pages, completions)`);
  if (!launcher)
    console.log(
      'without the launcher, so a start with unlock takes longer: no C compiler here (Debian: apt-get install gcc libc6-dev)',
    );
  if (!stripped) console.log('not stripped, so larger than need be: no strip here (Debian: apt-get install binutils)');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
