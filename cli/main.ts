// `tazpod`, the vault tool: reads the command line, becomes the operator, runs one verb, ends with its status.
// The only place of the tool that ends the process.

import { type Command, parseCommandLine, wantsJson } from './command-line.ts';
import { Interrupted } from './interruption.ts';
import { becomeOperator } from './operator.ts';
import { Output } from './output.ts';
import { passphraseVariable } from './passphrase-variable.ts';

/** @returns the exit status */
async function perform(command: Command, output: Output): Promise<number> {
  switch (command.kind) {
    case 'help':
      output.data(command.text);
      output.result({ help: command.text });
      return 0;
    case 'version': {
      const { default: program } = await import('../package.json', { with: { type: 'json' } });
      output.data(`tazpod ${program.version}\n`);
      output.result({ version: program.version });
      return 0;
    }
    case 'verb': {
      const { verb, given } = command;
      // The environment is the one thing that is read as root: afterwards the kernel would not let us.
      const variable = verb.takesPassphrase ? passphraseVariable() : undefined;
      if (verb.inContainer && verb.seesSecrets) (await import('./expendable.ts')).becomeExpendable();
      if (given.flag('standby')) {
        await verb.load();
        (await import('./standby.ts')).standBy(given);
      }
      if (!verb.beginsAsRoot) becomeOperator({ optional: !verb.inContainer });
      if (verb.seesSecrets) (await import('./native.ts')).becomeUndumpable();
      const run = await verb.load();
      return await run({
        given,
        output: given.flag('quiet') ? output.quieter({ progress: given.flag('progress') }) : output,
        passphraseVariable: variable,
      });
    }
  }
}

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  let output = new Output({ json: wantsJson(words) });
  try {
    const command = parseCommandLine(words);
    // A verb knows its own options: `--json` may be a word of the command that it runs.
    if (command.kind === 'verb') output = new Output({ json: command.given.flag('json') });
    return await perform(command, output);
  } catch (error) {
    return ended(error, output);
  }
}

function ended(error: unknown, output: Output): number {
  if (error instanceof Interrupted) return error.exitStatus;
  try {
    return output.fail(error);
  } catch (unwritable) {
    // Nobody reads the error either.
    return unwritable instanceof Interrupted ? unwritable.exitStatus : 1;
  }
}

// Not left to the event loop to end: a socket or a read of a terminal may still be open.
void main().then(async (status) => (await import('./native.ts')).endAtOnce(status));
