// The container image, built on whatever engine the docker client reaches.
// The build uses the host's network and, for what stands between it and the registries, the host's CA bundle.

import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { provideBaseImage } from './base-image.ts';
import { findBuildClient } from './docker-client.ts';

const PROJECT = dirname(fileURLToPath(new URL('.', import.meta.url)));

export interface ImageOptions {
  readonly tag: string;
  /** The image to build on; the Dockerfile's own choice if not given. */
  readonly base?: string | undefined;
  /** Show the build's progress only if it fails. */
  readonly quiet?: boolean;
}

/**
 * Builds and tags the image. What has not changed comes from the engine's cache.
 * @throws Error if no engine can be reached, a base image cannot be had, or the build fails
 */
export async function buildImage({ tag, base, quiet = false }: ImageOptions): Promise<void> {
  const docker = await findBuildClient();
  const engine = await execa(docker, ['info', '--format', '{{.ServerVersion}}'], { reject: false });
  if (engine.failed) throw new Error(`cannot reach a container engine: ${engine.stderr || engine.shortMessage}`);

  const bases = baseDefaults();
  if (base !== undefined) bases.set('BASE', base);
  for (const image of new Set(bases.values())) await provideBaseImage(docker, image);

  const bundle = caBundle();
  console.log(`building ${tag}${bundle === undefined ? '' : ` (downloads trust ${bundle})`}`);
  const options = [
    ['--tag', tag],
    ['--network', 'host'],
    quiet ? ['--progress', 'plain'] : [],
    base === undefined ? [] : ['--build-arg', `BASE=${base}`],
    bundle === undefined ? [] : ['--secret', `id=ca,src=${bundle}`],
  ].flat();
  const build = await execa(docker, ['build', ...options, PROJECT], {
    reject: false,
    env: { DOCKER_BUILDKIT: '1' },
    stdin: 'ignore',
    stdout: quiet ? 'pipe' : 'inherit',
    stderr: quiet ? 'pipe' : 'inherit',
    all: true,
  });
  if (build.failed) throw new Error(`cannot build ${tag}${quiet ? `:\n${build.all}` : ', as said above'}`);
}

/** The images that the Dockerfile builds on where nothing else is said: its ARGs before the first FROM. */
function baseDefaults(): Map<string, string> {
  const text = readFileSync(`${PROJECT}/Dockerfile`, 'utf8');
  const lines = text.slice(0, text.indexOf('\nFROM ')).matchAll(/^ARG (\w+)=(\S+)$/gm);
  return new Map(Array.from(lines, ([, name = '', image = '']) => [name, image]));
}

/** The certificates that this host trusts: a proxy's own among them, which the build's downloads must accept, too. */
function caBundle(): string | undefined {
  const candidates = [
    process.env['NODE_EXTRA_CA_CERTS'],
    process.env['SSL_CERT_FILE'],
    '/etc/ssl/certs/ca-certificates.crt',
  ];
  return candidates.find((path) => path !== undefined && existsSync(path));
}
