// A passphrase that a person types: one that is known already may be wrong three times, a new one is typed twice.

import { TazpodError } from '../lib/errors.ts';
import { Passphrase } from './passphrase-source.ts';
import { Prompt } from './prompt.ts';

const TRIES = 3;

/** @throws TazpodError `no-passphrase` when there is nobody to ask */
export function openPrompt(otherWays = '--passphrase-file, --passphrase-fd or TAZPOD_PASSPHRASE_FILE'): Prompt {
  const prompt = Prompt.open();
  if (prompt) return prompt;
  throw new TazpodError('no-passphrase', 'cannot ask for the passphrase: there is no terminal', {
    hint: `give it by ${otherWays}, or run on a terminal (docker: -it)`,
  });
}

/**
 * Asks until what is typed is not the wrong passphrase.
 * @param attempt what the passphrase is for; it is wiped unless that succeeds
 * @throws TazpodError `wrong-passphrase` of the last attempt, and whatever else one throws
 */
export async function askUntilRight<T>(
  prompt: Prompt,
  question: string,
  attempt: (typed: Passphrase) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const typed = new Passphrase(await prompt.ask(question), 'the terminal');
    try {
      return await attempt(typed);
    } catch (error) {
      typed[Symbol.dispose]();
      if (tries === TRIES || !isWrongPassphrase(error)) throw error;
      prompt.say('Sorry, wrong passphrase — try again.\n');
    }
  }
}

/**
 * Asks for a new passphrase, twice.
 * @throws TazpodError `no-passphrase` when the two never match
 */
export async function askTwice(prompt: Prompt): Promise<Passphrase> {
  for (let tries = 1; tries <= TRIES; tries++) {
    const typed = new Passphrase(await prompt.ask('New passphrase: '), 'the terminal');
    try {
      using again = new Passphrase(await prompt.ask('New passphrase again: '), 'the terminal');
      if (typed.bytes.equals(again.bytes)) return typed;
    } catch (error) {
      typed[Symbol.dispose]();
      throw error;
    }
    typed[Symbol.dispose]();
    prompt.say('Sorry, the two must match.\n');
  }
  throw new TazpodError('no-passphrase', 'cannot go on: the two passphrases did not match', {
    hint: 'type the same one twice, or give it by --passphrase-file',
  });
}

function isWrongPassphrase(error: unknown): boolean {
  return error instanceof TazpodError && error.code === 'wrong-passphrase';
}
