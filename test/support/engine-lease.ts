// An engine for as long as a run takes: a running one is used as it is. Else, as root, one is started for the run, installed first
// where that can be done. However the run ends, its containers are removed, and an engine that was started for it is ended.

import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { installMissing } from '../../build/debian.ts';

/** Make this folder, as root, and the engine that is started keeps its images there from one run to the next. */
const CACHE = '/var/lib/tazpod-test-engine';

const GUARD = fileURLToPath(new URL('engine-guard', import.meta.url));

async function engineRuns(): Promise<boolean> {
  return !(await execa('docker', ['info', '--format', '{{.ServerVersion}}'], { reject: false })).failed;
}

/** Why there can be no engine; empty where one runs, or can be started: it is installed then, where that can be done. */
export async function whyNoEngine(): Promise<string> {
  if (await engineRuns()) return '';
  if (process.getuid?.() !== 0) return 'no container engine runs, and only root can start one';
  const missing = await installMissing({ dockerd: 'docker.io', docker: 'docker.io', flock: 'util-linux' });
  if (missing.length > 0) return `no container engine runs, and there is no ${missing.join(', no ')} to start one`;
  if (!/ - cgroup2? /.test(readFileSync('/proc/self/mountinfo', 'utf8'))) {
    return 'no container engine runs, and without control groups (/sys/fs/cgroup) none can be started';
  }
  return '';
}

/**
 * Starts the guard and, where none runs, an engine with it, which DOCKER_HOST then leads to.
 * @param label marks the containers that are to be removed in the end, `name=value`
 * @returns what ends both
 */
export async function holdEngine(label: string): Promise<AsyncDisposable> {
  const directory = (await engineRuns()) ? undefined : await mkdtemp(join(tmpdir(), 'tazpod-engine-'));
  // Who may use the engine, its socket says: a person of a test's may, who is not root.
  if (directory !== undefined) await chmod(directory, 0o711);
  const guard = execa('sh', [GUARD, label, ...(directory === undefined ? [] : [directory, CACHE])], {
    stdin: 'pipe',
    stderr: 'inherit',
    // In a session of its own, so that Ctrl-C does not end it before its work is done.
    detached: true,
  });
  await Promise.race([once(guard.stdout, 'data'), guard]);
  if (directory !== undefined) {
    process.env['DOCKER_HOST'] = `unix://${directory}/docker.sock`;
    if (!(await engineRuns())) {
      const log = existsSync(`${directory}/dockerd.log`) ? readFileSync(`${directory}/dockerd.log`, 'utf8') : '';
      guard.stdin.end();
      await guard;
      throw new Error(`cannot start a container engine:\n${log.slice(-2000)}`);
    }
  }
  return {
    async [Symbol.asyncDispose]() {
      guard.stdin.end();
      await guard;
    },
  };
}
