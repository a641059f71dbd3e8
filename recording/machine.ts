// The machine's facts that a figure cannot be read without.

import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { execa } from 'execa';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly system: string;
  readonly node: string;
  /** Debian's versions of other programs that took part. */
  readonly packages: Readonly<Record<string, string>>;
}

/** @param packages names of Debian's packages whose versions matter */
export async function describeMachine(packages: readonly string[] = []): Promise<Machine> {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    system: /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown',
    node: process.version,
    packages: Object.fromEntries(await Promise.all(packages.map(async (name) => [name, await versionOf(name)]))),
  };
}

/** The facts in one sentence. */
export function sentenceOn({ processor, cores, memoryGiB, kernel, system, node, packages }: Machine): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  const programs = [`Node ${node}`, ...(versions.length === 0 ? [] : [versions.join(', ')])];
  return `${processor}, ${cores} cores, ${memoryGiB} GiB; Linux ${kernel}, ${system}; ${programs.join('; ')}.`;
}

/** How many processes wanted to run at the same time, over the last minute: above `cores`, figures are worth less. */
export function load(): number {
  return Number((loadavg()[0] ?? 0).toFixed(1));
}

async function versionOf(name: string): Promise<string> {
  const query = await execa('dpkg-query', ['--show', '--showformat=${Version}', name], { reject: false });
  return query.failed ? 'unknown' : query.stdout;
}
