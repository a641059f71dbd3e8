// `npm run image [-- --tag NAME] [--base IMAGE]`: builds the container image, tagged tazpod:dev unless told otherwise.

import { parseArgs } from 'node:util';
import { buildImage } from './container-image.ts';

const { values } = parseArgs({ options: { tag: { type: 'string', default: 'tazpod:dev' }, base: { type: 'string' } } });

try {
  await buildImage(values);
  console.log(`done: docker run --rm -it --cap-add SYS_ADMIN --security-opt apparmor=unconfined ${values.tag}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
