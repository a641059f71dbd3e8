// What people and machines configure both programs with: command lines and variables, through the functions that read them, and
// a sample of them through the executable itself: `tazpod` as it is, PID 1 in a container of its own.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

import { TOOL } from '../build/executable.ts';
import { parseCommandLine } from '../cli/command-line.ts';
import { limitsOf } from '../cli/limits-option.ts';
import { parseArguments, UsageError } from '../entrypoint/arguments.ts';
import { readConfiguration } from '../entrypoint/configuration.ts';
import { EXIT_STATUSES, TazpodError } from '../lib/errors.ts';
import { ENVIRONMENT, INITS, Sandbox } from '../test/support/sandbox.ts';
import { environment, initWords, toolWords } from './configuration/words.ts';
import { Random } from './random.ts';
import type { Stress, StressContext, StressOutcome } from './stress.ts';

/** One in so many is given to the executable, too. */
const SAMPLE = 2500;
const PATIENCE = 20_000; // ms
/** Of one reading: far more than any takes. */
const SLOWEST = 1000; // ms

export const configuration: Stress = {
  name: 'configuration',
  summary: 'command lines and environments of both programs, a sample through the executable',
  unit: 'configurations',
  count: 500_000,
  oracle:
    'A command line is taken, or refused as a usage error; an environment gives a configuration within its documented bounds, or one error with the code `configuration`; none takes ' +
    `long. One in ${SAMPLE} is given to the executable as well: \`tazpod\` ends with a documented status other than 1, PID 1 with 1 for what is no command line, 125 for what is no ` +
    'configuration, and 0 or 125 where it has a command to run; never 70, never "unexpected", never later than 20 s.',
  executable: true,
  run,
};

async function run({ count, from, seed, progress, fail }: StressContext): Promise<StressOutcome> {
  await using sandbox = await Sandbox.create();
  const directory = await mkdtemp(join(tmpdir(), 'tazpod-stress-'));
  const figures = { taken: 0, refused: 0, 'given to tazpod': 0, 'given to PID 1': 0, 'slowest reading (ms)': 0 };
  try {
    for (let item = from; item < from + count; item++) {
      const random = new Random(seed, item);
      const [init, tool, variables] = [initWords(random), toolWords(random), environment(random)];
      const isGiven = random.oneIn(2);
      const began = performance.now();
      const verdict = read(init, variables, isGiven);
      const findings = [verdict.finding, readTool(tool)];
      const took = performance.now() - began;
      figures['slowest reading (ms)'] = Math.max(figures['slowest reading (ms)'], Math.round(took));
      if (took > SLOWEST) findings.push(`it took ${took.toFixed(0)} ms`);
      if (item % SAMPLE === 0) {
        figures['given to tazpod'] += 1;
        figures['given to PID 1'] += 1;
        findings.push(await runTool(tool, directory), await runInit(sandbox, init, variables, verdict.expected));
      }
      figures[verdict.expected.includes(0) ? 'taken' : 'refused'] += 1;
      for (const finding of findings) {
        if (finding !== undefined) fail(item, `${finding}\n  ${JSON.stringify({ init, tool, variables })}`);
      }
      if (item % 1000 === 0) progress(item - from);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return { figures };
}

/** Reads what PID 1 reads at its start; tells the statuses that it may end with. */
function read(
  words: readonly string[],
  variables: Readonly<Record<string, string>>,
  isPassphraseGiven: boolean,
): { readonly expected: readonly number[]; readonly finding?: string } {
  try {
    const { verbosity, remapped, parentDeathSignal, print } = parseArguments(
      words.map((word) => Buffer.from(word)),
      variables,
    );
    const statuses = [...remapped];
    if (!Number.isSafeInteger(verbosity) || statuses.some((status) => !(status >= 0 && status <= 255)))
      return { expected: [0], finding: 'its flags were read as nonsense' };
    if (parentDeathSignal !== undefined && !isSignal(parentDeathSignal))
      return { expected: [0], finding: `-p was read as ${parentDeathSignal}` };
    if (print !== undefined) return { expected: [0] };
  } catch (error) {
    return error instanceof UsageError ? { expected: [1] } : { expected: [1], finding: `flags: ${String(error)}` };
  }
  try {
    // The passphrase itself is not here; that there is one contradicts a file.
    readConfiguration(variables, isPassphraseGiven);
  } catch (error) {
    if (!isOfCode(error, 'configuration')) return { expected: [125], finding: `variables: ${String(error)}` };
  }
  try {
    const { enclaveSize, stopTimeout = 0, stopSignals = [] } = readConfiguration(variables, false);
    const isSound =
      enclaveSize >= 2 ** 16 &&
      enclaveSize <= 2 ** 36 &&
      stopTimeout >= 0 &&
      stopTimeout < 2 ** 31 &&
      [...stopSignals].every(isSignal);
    return { expected: [0, 125], ...(isSound ? {} : { finding: 'its variables were read as nonsense' }) };
  } catch {
    return { expected: [125] };
  }
}

function isSignal(signal: number): boolean {
  return Number.isInteger(signal) && signal >= 1 && signal <= 64;
}

function readTool(words: readonly string[]): string | undefined {
  try {
    const command = parseCommandLine(words);
    if (command.kind === 'verb') limitsOf(command.given);
    return undefined;
  } catch (error) {
    return isOfCode(error, 'usage') ? undefined : `tazpod: ${error instanceof Error ? error.stack : String(error)}`;
  }
}

function isOfCode(error: unknown, code: string): boolean {
  return error instanceof TazpodError && error.code === code && error.message.startsWith('cannot ');
}

/** In a directory of its own, without a terminal, as the one who runs this. */
async function runTool(words: readonly string[], cwd: string): Promise<string | undefined> {
  const { exitCode, stderr, timedOut } = await execa(TOOL, words, {
    cwd,
    env: { PATH: ENVIRONMENT.PATH, TAZPOD_USER: 'root' },
    extendEnv: false,
    stdin: 'ignore',
    timeout: PATIENCE,
    reject: false,
  });
  if (timedOut) return 'tazpod hung';
  const isDocumented = exitCode !== 1 && exitCode !== undefined && Object.hasOwn(EXIT_STATUSES, exitCode);
  return isDocumented && !stderr.includes('unexpected') ? undefined : `tazpod ended with ${exitCode}: ${stderr}`;
}

/** With `true` as the command, where one is run. */
async function runInit(
  sandbox: Sandbox,
  words: readonly string[],
  variables: Readonly<Record<string, string>>,
  expected: readonly number[],
): Promise<string | undefined> {
  const running = await sandbox.start([INITS.ours, ...withHarmlessCommand(words, variables)], {
    environment: { ...ENVIRONMENT, ...variables },
  });
  const hung = setTimeout(() => running.signal('SIGKILL'), PATIENCE);
  const { code, signal } = await running.exited;
  clearTimeout(hung);
  if (signal !== null) return `PID 1 ended with ${signal}`;
  const said = await running.stderr.whole();
  return code !== null && expected.includes(code) && !said.includes('unexpected')
    ? undefined
    : `PID 1 ended with ${code}, not ${expected.join(' or ')}: ${said}`;
}

function withHarmlessCommand(words: readonly string[], variables: Readonly<Record<string, string>>): string[] {
  try {
    const bytes = words.map((word) => Buffer.from(word));
    const flags = words.slice(0, words.length - parseArguments(bytes, variables).command.length);
    return [...flags, ...(flags.at(-1) === '--' ? [] : ['--']), 'true'];
  } catch {
    return [...words];
  }
}
