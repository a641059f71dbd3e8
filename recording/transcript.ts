// Terminal sessions as the documents show them: fenced blocks of the language `console`, in which a line with a prompt is typed, a
// question for a passphrase is answered, and every other line is what the screen shows. `…` stands for what differs from run
// to run; alone on a line, for any number of lines.

/** A line of a session. */
export type Step =
  | { readonly kind: 'command'; readonly prompt: string; readonly typed: string }
  | { readonly kind: 'question'; readonly prompt: string }
  | { readonly kind: 'shown'; readonly line: string };

/** Who types, and sees the screen: without escape sequences and carriage returns, and on from where the last wait ended. */
export interface Typist {
  waitFor(pattern: RegExp): Promise<unknown>;
  type(line: string): Promise<void>;
}

const COMMAND = /^((?:[\w…-]+@[\w…-]+:[^ ]*)?\$) (.+)$/;
const QUESTION = /^[A-Z][a-z]*(?: [a-z]+)*assphrase(?: again)?:$|^Passphrase:$/;

/** The sessions of a page, one for each block, in their order. */
export function transcriptsOf(page: string): Step[][] {
  const blocks = page.matchAll(/^```console\n(.*?)^```$/gms);
  return Array.from(blocks, ([, block = '']) => block.trimEnd().split('\n').map(stepOf));
}

function stepOf(line: string): Step {
  const [, prompt, typed] = COMMAND.exec(line) ?? [];
  if (prompt !== undefined && typed !== undefined) return { kind: 'command', prompt: `${prompt} `, typed };
  return QUESTION.test(line) ? { kind: 'question', prompt: `${line} ` } : { kind: 'shown', line };
}

/**
 * Types what a person types in a session, each line when the screen shows exactly what stands before it.
 * @param answer what is typed at a question
 * @param last the prompt that the session ends with
 * @throws what `waitFor` throws when the screen shows something else
 */
export async function play(
  steps: readonly Step[],
  typist: Typist,
  { answer, last }: { readonly answer: string; readonly last: string },
): Promise<void> {
  let shown = '';
  for (const step of steps) {
    if (step.kind === 'shown') {
      shown += step.line === '…' ? '(?:[^\\n]*\\n)*?' : `${patternOf(step.line)} *\\n`;
      continue;
    }
    await typist.waitFor(new RegExp(`^${shown}${patternOf(step.prompt)}`));
    await typist.type(step.kind === 'command' ? step.typed : answer);
    // What is typed at a question is not shown.
    shown = `${step.kind === 'command' ? RegExp.escape(step.typed) : ''}\\n`;
  }
  await typist.waitFor(new RegExp(`^${shown}${patternOf(last)}`));
}

function patternOf(text: string): string {
  return text
    .split('…')
    .map((part) => RegExp.escape(part))
    .join('[^\\n]*?');
}
