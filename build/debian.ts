// Programs of the machine that builds and tests need, and how a Debian machine gets those that are missing.
// As root on Debian or Ubuntu they are installed, saying so; elsewhere nothing is touched and the caller learns what is missing.

import { existsSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';

/** Where system programs are, also for those whose PATH leaves the sbin directories out. */
const SEARCH_PATH = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];

/** Every executable file called `program` that the search path leads to, first found first. */
export async function findPrograms(program: string): Promise<string[]> {
  const candidates = SEARCH_PATH.filter((directory) => directory !== '').map((directory) => join(directory, program));
  const found = await Promise.all(
    candidates.map((path) =>
      access(path, constants.X_OK).then(
        () => [path],
        () => [],
      ),
    ),
  );
  return [...new Set(found.flat())];
}

/** Whether packages can be installed here without asking anybody. */
export function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

/**
 * Installs what is missing, where that can be done.
 * @param packages programs and the Debian package of each
 * @returns the programs that are still missing
 * @throws Error if apt-get fails
 */
export async function installMissing(packages: Readonly<Record<string, string>>): Promise<string[]> {
  const missing = await missingOf(Object.keys(packages));
  if (missing.length === 0 || !canInstall()) return missing;
  const wanted = [...new Set(missing.map((program) => packages[program] ?? program))];
  console.error(`installing ${wanted.join(' ')}, which the build or the tests need`);
  const apt = execa({
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'inherit',
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  });
  await apt('apt-get', ['update', '-qq']);
  await apt('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...wanted]);
  return missingOf(missing);
}

/**
 * As `installMissing`, for a program that nothing can be done without.
 * @throws Error naming the package where the program is missing and cannot be installed
 */
export async function requireProgram(program: string, debianPackage: string): Promise<void> {
  const missing = await installMissing({ [program]: debianPackage });
  if (missing.length > 0) {
    throw new Error(
      `cannot find ${program}: install it (as root on Debian or Ubuntu: apt-get install ${debianPackage})`,
    );
  }
}

async function missingOf(programs: readonly string[]): Promise<string[]> {
  const found = await Promise.all(programs.map(findPrograms));
  return programs.filter((_, index) => found[index]?.length === 0);
}
