// The program `tazpod-entrypoint`. Signals are caught before anything else; the passphrase is out of the environment
// before anything looks at it; and every way out of here has locked the vault.

import { listen } from './caught-signals.ts'; // First: see there.

import { writeSync } from 'node:fs';

import { reasonOf, TazpodError } from '../lib/errors.ts';
import { LICENSE, ownArguments, parseArguments, UsageError, type Arguments } from './arguments.ts';
import { wantsColour } from './colour.ts';
import { readConfiguration } from './configuration.ts';
import { inheritedDescriptors } from './descriptors.ts';
import { takePassphrase } from './environment.ts';
import { Log, type LogLevel } from './log.ts';
import { libc } from './native.ts';
import { takeStandby } from './standby.ts';
import { OWN_FAILURE, Supervisor } from './supervisor.ts';
import { isTerminal } from './terminal.ts';
import { usage } from './usage.ts';
import { VERSION } from './version.ts';

const INTERNAL_ERROR = 70; // EX_SOFTWARE of sysexits(3)

const standby = takeStandby();
// Node has marked all of them as close-on-exec: the command gets those that it is given.
const descriptors = inheritedDescriptors().filter((descriptor) => descriptor !== standby?.connection);
const passphrase = takePassphrase();
const log = new Log('info', isTerminal(2) ? 'pretty' : 'json', wantsColour(process.env, isTerminal(2)));
let supervisor: Supervisor | undefined;

process.on('uncaughtException', fail);

run().then(end, fail);

async function run(): Promise<number> {
  let args: Arguments;
  try {
    args = parseArguments(ownArguments(), process.env);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    writeSync(2, `tazpod-entrypoint: ${error.message}\n\n${usage()}`);
    return 1;
  }
  if (args.print !== undefined) {
    writeSync(1, { help: usage(), license: LICENSE, version: `tazpod-entrypoint ${VERSION}\n` }[args.print]);
    return 0;
  }
  try {
    if (passphrase === 'too long')
      throw new TazpodError('configuration', 'cannot take a passphrase of more than 65535 bytes');
    const configuration = readConfiguration(process.env, passphrase !== undefined);
    const { logFormat, logLevel } = configuration;
    log.configure(
      verboseLevel(logLevel, args.verbosity),
      logFormat === 'auto' ? (isTerminal(2) ? 'pretty' : 'json') : logFormat,
    );
    supervisor = new Supervisor({ args, configuration, descriptors, passphrase, standby }, log);
  } catch (error) {
    if (!(error instanceof TazpodError)) throw error;
    log.error(error.message, error.hint);
    await log.settle();
    return OWN_FAILURE;
  }
  listen(supervisor.signals);
  return supervisor.run();
}

/** tini's verbosity on our levels: 1 is its default, 0 says errors only, each one more says more. */
function verboseLevel(level: LogLevel, verbosity: number): LogLevel {
  if (verbosity === 0) return 'error';
  if (verbosity === 1 || level === 'trace') return level;
  return verbosity > 2 ? 'trace' : 'debug';
}

/** An error that nobody expected: the vault is locked all the same. */
function fail(error: unknown): void {
  log.error(`internal error: ${error instanceof Error ? (error.stack ?? error.message) : reasonOf(error)}`);
  supervisor?.emergency();
  end(INTERNAL_ERROR);
}

/** Node would set the terminal's modes, and take its time: the vault is locked, there is nothing left to do. */
function end(status: number): void {
  log.flush();
  libc._exit(status);
}
