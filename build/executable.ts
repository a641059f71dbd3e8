// The single executable: a stripped Node, both programs and their compiled code in one file, made by `node --build-sea`.
// Made anew only when something that goes into it has changed, so that tests and `npm start` can always call this.
// It appears in place whole or not at all: runs at the same time do no harm.

import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { assetName, packAsset, WORD } from './asset.ts';
import { bundleMain, bundleParts, type BundledPart } from './bundle.ts';
import { requireProgram } from './debian.ts';
import { buildLauncher, launcherSources } from './launcher.ts';
import { BOUND_FLAGS, CHANGES, copyRuntime } from './runtime.ts';

export const DIST = fileURLToPath(new URL('../dist', import.meta.url));
export const ENTRYPOINT = join(DIST, 'tazpod-entrypoint');
export const TOOL = join(DIST, 'tazpod');

const STAMP = join(DIST, '.built');
const COMPILE = fileURLToPath(new URL('compile-files.ts', import.meta.url));

/** How the executable is made and started; `main`, `assets`, `executable` and `output` come on top. */
export const SEA_CONFIGURATION = {
  mainFormat: 'commonjs',
  disableExperimentalSEAWarning: true,
  // A start-up snapshot proved slower than compiled code.
  useSnapshot: false,
  // NODE_OPTIONS would run the environment's code as root.
  execArgvExtension: 'none',
  execArgv: [
    ...BOUND_FLAGS,
    '--disable-sigusr1', // SIGUSR1 is the command's; it opens no inspector
    '--openssl-config=/dev/null', // nor does OPENSSL_CONF load a provider as root
    '--v8-pool-size=0', // three threads less that idle in every container
    '--no-memory-reducer', // it would wake an idle PID 1 every eight seconds, for ever
    '--disable-warning=ExperimentalWarning', // node:ffi
  ],
};

export interface Built {
  /** False where what was there is up to date. */
  readonly made: boolean;
  /** False where the machine has no C compiler: `tazpod-entrypoint` is a link, and what unlocks at a start is loaded after PID 1. */
  readonly launcher: boolean;
  /** False where the machine has no `strip`: the executable works, but is larger and starts later. */
  readonly stripped: boolean;
}

/**
 * Makes `dist/tazpod`, which is both programs, and `dist/tazpod-entrypoint`, which starts it as PID 1's, where they are missing or out of date.
 * @param rpath where the executable shall look for its libraries before anywhere else (needs patchelf)
 * @throws Error if a tool fails or the executable does not start
 */
export async function buildExecutable(rpath?: string): Promise<Built> {
  const [main, parts] = await Promise.all([bundleMain(), bundleParts()]);
  const node = await stat(process.execPath);
  const key = createHash('sha256')
    .update(
      JSON.stringify([
        process.version,
        process.arch,
        node.size,
        node.mtimeMs,
        SEA_CONFIGURATION,
        CHANGES,
        rpath ?? null,
      ]),
    )
    .update(JSON.stringify([main, parts, await launcherSources()]))
    .digest('hex');
  const present = await readStamp();
  if (present?.key === key && (await isInPlace(present)))
    return { made: false, launcher: present.launcher, stripped: present.stripped };

  await mkdir(DIST, { recursive: true });
  await using work = await temporaryDirectory();
  const stripped = await copyRuntime(join(work.path, 'node'));
  const assets = await writeAssets(work.path, parts);
  const made = await makeExecutable(work.path, main, assets);
  if (rpath !== undefined) await setLibraryPath(made, rpath);
  await chmod(made, 0o755);
  const entrypoint = join(work.path, basename(ENTRYPOINT));
  const launcher = await buildLauncher(entrypoint);
  if (!launcher) await symlink(basename(TOOL), entrypoint);
  for (const program of [made, entrypoint]) await checkStarts(program);

  // A copy, which is written in small pieces, as an image's layer is. Of what was written at once the kernel keeps pieces of up to two
  // megabytes in memory and maps a whole one for one touch: twenty megabytes more in every process, and in what is measured here.
  const copy = `${made}.copy`;
  await copyFile(made, copy);
  await rename(copy, TOOL);
  await rename(entrypoint, ENTRYPOINT);
  const [tool, program] = await Promise.all([TOOL, ENTRYPOINT].map((path) => stat(path)));
  const stamp = { key, launcher, stripped, inodes: [tool?.ino, program?.ino], mtimeMs: tool?.mtimeMs };
  await writeFile(STAMP, JSON.stringify(stamp satisfies Stamp));
  return { made: true, launcher, stripped };
}

/** What the executable in place was made from, and which file that is: another run may have put its own there since. */
interface Stamp {
  readonly key: string;
  readonly stripped: boolean;
  readonly launcher: boolean;
  readonly inodes: readonly (number | undefined)[];
  readonly mtimeMs: number | undefined;
}

async function readStamp(): Promise<Stamp | undefined> {
  try {
    return JSON.parse(await readFile(STAMP, 'utf8')) as Stamp;
  } catch {
    return undefined;
  }
}

async function isInPlace(stamp: Stamp): Promise<boolean> {
  const [tool, program] = await Promise.all([TOOL, ENTRYPOINT].map((path) => stat(path).catch(() => undefined)));
  return tool?.ino === stamp.inodes[0] && tool?.mtimeMs === stamp.mtimeMs && program?.ino === stamp.inodes[1];
}

/** Beside the result, so that the last step is a rename. */
async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(DIST, '.build-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Compiles the parts, in the Node and with the flags that will run them, and writes them to files, by the names that program.ts asks for. */
async function writeAssets(directory: string, parts: readonly BundledPart[]): Promise<Record<string, string>> {
  const files = parts.map(({ name }) => join(directory, `${name}.js`));
  for (const [index, { text }] of parts.entries()) await writeFile(files[index] ?? '', text);
  await execa(join(directory, 'node'), [...SEA_CONFIGURATION.execArgv, COMPILE, ...files], { extendEnv: false });
  const assets: Record<string, string> = {};
  for (const [index, { name, text }] of parts.entries()) {
    const file = files[index] ?? '';
    await writeFile(file, packAsset(await readFile(`${file}.code`), text));
    assets[assetName(name)] = file;
  }
  return assets;
}

/** @returns its path */
async function makeExecutable(directory: string, main: string, assets: Record<string, string>): Promise<string> {
  const [program, configuration, output] = ['program.cjs', 'sea.json', basename(TOOL)].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  const executable = join(directory, 'node');
  await writeFile(configuration, JSON.stringify({ ...SEA_CONFIGURATION, main: program, executable, output, assets }));
  const contents = await Promise.all(Object.values(assets).map((file) => readFile(file)));
  /** Answers where each asset lies, beside a multiple of WORD. */
  const build = async (text: string): Promise<number[]> => {
    await writeFile(program, text);
    await execa(process.execPath, ['--build-sea', configuration]);
    const made = await readFile(output);
    return contents.map((asset) => made.indexOf(asset) % WORD);
  };
  let places = await build(main);
  // That depends on what lies before them, our main script among it.
  const [first = 0] = places;
  if (first > 0) places = await build(main + ' '.repeat(WORD - first));
  if (places.some((place) => place !== 0))
    throw new Error('cannot place the compiled code so that V8 takes it where it lies');
  return output;
}

/**
 * To be done last: neither strip nor `--build-sea` leaves whole what patchelf has moved.
 * DT_RPATH, not RUNPATH: it comes before LD_LIBRARY_PATH, which the container's environment may set.
 */
async function setLibraryPath(path: string, rpath: string): Promise<void> {
  await requireProgram('patchelf', 'patchelf');
  await execa('patchelf', ['--force-rpath', '--set-rpath', rpath, path]);
}

/** Runs the finished file once, in an environment as bare as a container's. */
async function checkStarts(program: string): Promise<void> {
  const run = await execa(program, ['--version'], { reject: false, extendEnv: false, cwd: '/', timeout: 30_000 });
  if (run.failed || run.stdout === '') {
    throw new Error(
      `cannot use the executable that was made: ${run.stderr || run.shortMessage || 'it says no version'}`,
    );
  }
}
