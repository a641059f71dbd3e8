// Containers for tests, by way of the docker client: what a person would type, and see.
// None has a network, each has a name of its own, and each is removed when its test ends, or by the guard of the run.

import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { execa, type Options } from 'execa';
import { describe, inject } from 'vitest';
import { IMAGE } from './image.ts';

/** As `describe`; skipped where there is no engine (the set-up said so once, with the reason). */
export const describeContainers = inject('engineProblem') === '' ? describe : describe.skip;

/** What a call of the docker client came to. It does not throw if the client exits with another status than 0. */
export interface Outcome {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** One `docker run`. */
export interface RunOptions {
  readonly image?: string;
  /** Flags of `docker run`. */
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What stands after the image; the image's own command if nothing does. */
  readonly command?: readonly string[];
}

/** Calls the docker client. */
export async function docker(args: readonly string[], options: Pick<Options, 'input'> = {}): Promise<Outcome> {
  const { exitCode, stdout, stderr } = await execa('docker', args, { ...options, reject: false });
  return { status: exitCode, stdout, stderr };
}

/** Runs a container to its end, and removes it. */
export function runToEnd(options: RunOptions, input?: string): Promise<Outcome> {
  const interactive = input === undefined ? [] : ['--interactive'];
  return docker(
    ['run', '--rm', ...interactive, ...runArguments(newName(), options)],
    input === undefined ? {} : { input },
  );
}

/** The arguments after `docker run`, for tests that start the client themselves, as on a terminal. */
export function runArguments(name: string, options: RunOptions): string[] {
  const { image = IMAGE, flags = [], environment = {}, command = [] } = options;
  const variables = Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
  return [
    '--name',
    name,
    '--network',
    'none',
    '--label',
    inject('runLabel'),
    ...variables,
    ...flags,
    image,
    ...command,
  ];
}

/** A name that no other container has. */
export function newName(): string {
  return `tazpod-test-${randomUUID()}`;
}

/** A container that was started in the background; `await using` removes it with its volumes. */
export class Container implements AsyncDisposable {
  readonly name: string;

  /** For a container that the test started itself (`runArguments`). */
  constructor(name: string) {
    this.name = name;
  }

  /** @throws if the engine cannot start it */
  static async start(options: RunOptions): Promise<Container> {
    const name = newName();
    const { status, stderr } = await docker(['run', '--detach', ...runArguments(name, options)]);
    const container = new Container(name);
    if (status === 0) return container;
    await container[Symbol.asyncDispose]();
    throw new Error(`cannot start a container: ${stderr}`);
  }

  /** `docker exec`, as root unless `flags` say otherwise. */
  exec(command: readonly string[], flags: readonly string[] = []): Promise<Outcome> {
    return docker(['exec', ...flags, this.name, ...command]);
  }

  /** `docker stop`; how long it took, and the status that the container ended with. */
  async stop(graceSeconds = 10): Promise<{ readonly status: number; readonly milliseconds: number }> {
    const start = performance.now();
    await docker(['stop', '--time', String(graceSeconds), this.name]);
    return { milliseconds: performance.now() - start, status: await this.wait() };
  }

  /** `docker kill`: sends a signal to PID 1. */
  async signal(name: string): Promise<void> {
    await docker(['kill', '--signal', name, this.name]);
  }

  /** Waits for its end. */
  async wait(): Promise<number> {
    return Number((await docker(['wait', this.name])).stdout);
  }

  /** What it has written so far, stdout and stderr in one where it has no terminal. */
  async logs(): Promise<string> {
    return (await execa('docker', ['logs', this.name], { all: true, reject: false })).all;
  }

  /**
   * Waits until a line of its output matches.
   * @returns the line
   * @throws if it ends without
   */
  async waitForOutput(pattern: RegExp): Promise<string> {
    const follow = execa('docker', ['logs', '--follow', this.name], { all: true, buffer: false, reject: false });
    try {
      for await (const line of createInterface({ input: follow.all })) {
        if (pattern.test(line)) return line;
      }
    } finally {
      follow.kill();
      await follow;
    }
    throw new Error(`the container ended without a line like ${pattern}; it wrote:\n${await this.logs()}`);
  }

  /** One value of `docker inspect`, as JSON. */
  async inspect(format: string): Promise<unknown> {
    const { status, stdout, stderr } = await docker(['inspect', '--format', `{{json ${format}}}`, this.name]);
    if (status !== 0) throw new Error(`cannot inspect ${this.name}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** `docker diff`: what differs from the image, as `A /path`, `C /path`, `D /path`. */
  async changes(): Promise<string[]> {
    return (await docker(['diff', this.name])).stdout.split('\n').filter((line) => line !== '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await docker(['rm', '--force', '--volumes', this.name]);
  }
}
