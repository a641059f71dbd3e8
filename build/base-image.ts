// Base images for where no registry can be reached: Debian's slim images, made from Debian's packages under the
// names that the Dockerfile uses. An image that is there, or can be pulled, is never replaced.

import { execa } from 'execa';
import { requireProgram } from './debian.ts';

const DEBIAN_SLIM = /^debian:([a-z]+)-slim$/;

// What the slim images leave out, too; the copyright files stay.
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/info/*', '/usr/share/locale/*', '/usr/share/man/*'];

/**
 * Makes sure that the engine has `image`: as it is, pulled, or made.
 * @throws Error that says what to do
 */
export async function provideBaseImage(docker: string, image: string): Promise<void> {
  const present = await execa(docker, ['image', 'inspect', image], { reject: false });
  if (!present.failed) return;

  console.log(`pulling ${image}`);
  const pull = await execa(docker, ['pull', '--quiet', image], { reject: false });
  if (!pull.failed) return;

  const reason = pull.stderr.split('\n').at(-1) ?? pull.shortMessage;
  const suite = DEBIAN_SLIM.exec(image)?.[1];
  if (suite === undefined || process.getuid?.() !== 0) {
    throw new Error(
      `cannot pull ${image}: ${reason}\n` +
        (suite === undefined
          ? `  load or import an image of that name into the engine first (only debian:…-slim can be made here)`
          : `  run this as root once: then it is made here from Debian's packages with mmdebstrap`),
    );
  }
  console.log(`cannot pull it (${reason}); making ${image} from Debian's packages instead`);
  await makeDebian(docker, suite, image);
}

/** A minimal Debian, straight from mmdebstrap into the engine. */
async function makeDebian(docker: string, suite: string, image: string): Promise<void> {
  await requireProgram('mmdebstrap', 'mmdebstrap');
  const options = [
    ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
    '--dpkgopt=path-include=/usr/share/doc/*/copyright',
  ];
  await execa('mmdebstrap', ['--quiet', '--variant=minbase', ...options, suite, '-'], {
    stdin: 'ignore',
    stderr: 'inherit',
    buffer: false,
    // When it cannot write any more it hangs up on its whole process group, which must not be ours.
    detached: true,
    env: { TMPDIR: '/var/tmp' },
  }).pipe(
    docker,
    ['import', '--change', 'CMD ["bash"]', '--message', `made with mmdebstrap from Debian ${suite}`, '-', image],
    { stdout: 'ignore' },
  );
}
