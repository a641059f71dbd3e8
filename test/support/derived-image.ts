// Images that somebody else builds with what ours gives them.

import { execa } from 'execa';

import { findBuildClient } from '../../build/docker-client.ts';
import { docker, newName } from './container.ts';
import { IMAGE } from './image.ts';

/** What a Dockerfile needs to have us in its image, as the README has it. */
export const ADD_TO_IMAGE = `
COPY --from=${IMAGE} /dist/ /
ENTRYPOINT ["/usr/local/bin/tazpod-entrypoint"]
CMD ["bash", "-l"]
`;

/** Builds an image that is removed again after its test. */
export async function buildFrom(dockerfile: string): Promise<AsyncDisposable & { readonly name: string }> {
  const name = newName();
  await execa(await findBuildClient(), ['build', '--network', 'none', '--tag', name, '-'], {
    input: dockerfile,
    env: { DOCKER_BUILDKIT: '1' },
  });
  return {
    name,
    async [Symbol.asyncDispose]() {
      await docker(['image', 'rm', '--force', name]);
    },
  };
}
