// The two passphrases of a change. The old one has to be given by its options or typed, whatever the variables and an
// unlocked vault know: who comes by a shell that stands open is not to change it. The new one is typed twice.

import type { Arguments } from './arguments.ts';
import type { Call } from './call.ts';
import { type Passphrase, passphraseFromOptions, withOrigin } from './passphrase-source.ts';
import type { Prompt } from './prompt.ts';
import { askTwice, askUntilRight, openPrompt } from './typed-passphrase.ts';

const WAYS_OF = {
  old: '--passphrase-file or --passphrase-fd',
  new: '--new-passphrase-file or --new-passphrase-fd',
} as const;

/** Both passphrases; wiped when it is disposed. */
export class PassphraseChange implements Disposable {
  readonly old: Passphrase;
  readonly new: Passphrase;

  constructor(old: Passphrase, fresh: Passphrase) {
    this.old = old;
    this.new = fresh;
  }

  /** The new one is the old one. */
  get isNone(): boolean {
    return this.old.bytes.equals(this.new.bytes);
  }

  [Symbol.dispose](): void {
    this.old[Symbol.dispose]();
    this.new[Symbol.dispose]();
  }
}

/**
 * Has both passphrases.
 * @param check throws `wrong-passphrase` unless the old one is right: a person is told before a new one is asked for
 * @throws TazpodError `usage`, `no-passphrase`, `wrong-passphrase`, and whatever else `check` throws
 */
export async function changeOfPassphrase(
  { given }: Call,
  check: (old: Passphrase) => Promise<void>,
): Promise<PassphraseChange> {
  refuseOneStreamForBoth(given);
  using asked = new DisposableStack();
  using wiped = new DisposableStack();
  let prompt: Prompt | undefined;
  // One for all questions: what is typed ahead belongs to the next.
  const promptFor = (ways: string): Prompt => (prompt ??= asked.use(openPrompt(ways)));

  // Both are read before anybody is asked for anything.
  const givenOld = wiped.use(await passphraseFromOptions(given));
  const givenNew = wiped.use(await passphraseFromOptions(given, 'new-'));
  const old = wiped.use(await rightPassphrase(givenOld, () => promptFor(WAYS_OF.old), check));
  const fresh = wiped.use(givenNew ?? (await askTwice(promptFor(WAYS_OF.new))));
  wiped.move();
  return new PassphraseChange(old, fresh);
}

async function rightPassphrase(
  given: Passphrase | undefined,
  prompt: () => Prompt,
  check: (old: Passphrase) => Promise<void>,
): Promise<Passphrase> {
  if (!given) {
    return await askUntilRight(prompt(), 'Old passphrase: ', async (typed) => {
      await check(typed);
      return typed;
    });
  }
  try {
    await check(given);
    return given;
  } catch (error) {
    throw withOrigin(error, given);
  }
}

/** The second to be read from it would find nothing, and a passphrase that is empty. */
function refuseOneStreamForBoth(given: Arguments): void {
  const old = streamOf(given, '');
  if (old === undefined || old !== streamOf(given, 'new-')) return;
  throw given.usage(`cannot read both passphrases from descriptor ${old}: give each its own file or descriptor`);
}

function streamOf(given: Arguments, kind: '' | 'new-'): number | undefined {
  return given.value(`${kind}passphrase-file`) === '-' ? 0 : given.descriptor(`${kind}passphrase-fd`);
}
