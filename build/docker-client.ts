// Which `docker` to call. Machines have several: newer ones build only with their buildx plugin, Debian's has BuildKit built in.

import { execa } from 'execa';
import { findPrograms } from './debian.ts';

/** The last major version of the client that has BuildKit in itself. */
const LAST_WITH_BUILDKIT = 22;

/**
 * A docker client that can build with BuildKit (the Dockerfile uses secrets and cache mounts).
 * @returns its path
 * @throws Error that says what to install
 */
export async function findBuildClient(): Promise<string> {
  const clients = await findPrograms('docker');
  for (const client of clients) {
    if (await canBuild(client)) return client;
  }
  throw new Error(
    clients.length === 0
      ? 'cannot find a docker client: install one (Debian, Ubuntu: apt-get install docker.io)'
      : `cannot build with ${clients.join(', ')}: the buildx plugin is missing (Debian 12's docker.io needs none)`,
  );
}

async function canBuild(client: string): Promise<boolean> {
  const plugin = await execa(client, ['buildx', 'version'], { reject: false });
  if (!plugin.failed) return true;
  const { stdout } = await execa(client, ['--version'], { reject: false });
  const major = /version (\d+)\./.exec(stdout)?.[1];
  return major !== undefined && Number(major) <= LAST_WITH_BUILDKIT;
}
