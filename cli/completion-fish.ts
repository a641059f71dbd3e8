// Completion for fish, 3.0 or later: a line for each word and option, with the place where it belongs.

import { namesOf, type Option, type Place, stepsOf } from './places.ts';
import type { Candidates } from './values.ts';

/** The script, to be sourced, or put as `tazpod.fish` where fish looks for completions. */
export function fishCompletion(places: readonly Place[]): string {
  return `# fish completion for tazpod, made by "tazpod completion fish"

# Where the words before the cursor lead, and how many operands stand there already: two lines.
function __tazpod_where
    set -l place ''
    set -l operands 0
    set -l value ''
    set -l ended ''
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test -n "$value"
            set value ''
        else if test -z "$ended"; and test "$word" = --
            set ended 1
        else if test -z "$ended"; and string match -qr -- '^-.' $word
            switch "$place $word"
                case ${valuesOf(places).map(quote).join(' ')}
                    set value 1
            end
        else
            switch "$place/$word"
${stepsOf(places)
  .map(
    ({ from, word, to }) =>
      `                case ${quote(`${from}/${word}`)}\n                    set place ${quote(to)}`,
  )
  .join('\n')}
                case '*'
                    set operands (math $operands + 1)
            end
        end
    end
    printf '%s\\n' "$place" $operands
end

# Whether the next word stands at a place: __tazpod_at PLACE [OPERANDS-BEFORE-IT]
function __tazpod_at
    set -l where (__tazpod_where)
    test "$where[1]" = "$argv[1]"; or return
    set -q argv[2]; or return 0
    test "$where[2]" = "$argv[2]"
end

complete -c tazpod -f
${places.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, next, options, operands, takesCommand }: Place): string[] {
  return [
    ...next.map(({ word, text }) => line(at(path, 0), `-a ${word} -d ${quote(text)}`)),
    ...options.map((option) => line(at(path, takesCommand ? 0 : undefined), optionWords(option))),
    ...operands.map(({ candidates }, index) => line(at(path, index), valueWords(candidates))),
    ...(takesCommand ? [line(`${at(path)}; and not ${at(path, 0)}`, valueWords('file'))] : []),
  ];
}

function at(path: string, operands?: number): string {
  return `__tazpod_at ${quote(path)}${operands === undefined ? '' : ` ${operands}`}`;
}

function line(condition: string, words: string): string {
  return `complete -c tazpod -n ${quote(condition)} ${words}`;
}

function optionWords({ long, short, text, value }: Option): string {
  const names = `${short === undefined ? '' : `-s ${short} `}-l ${long}`;
  return `${names} ${value ? `-r ${valueWords(value.candidates)} ` : ''}-d ${quote(text)}`;
}

function valueWords(candidates: Candidates): string {
  switch (candidates) {
    case 'file':
      return '-F';
    case 'directory':
      return "-a '(__fish_complete_directories)'";
    case 'command':
      return "-a '(__fish_complete_command)'";
    case 'anything':
      return '-f';
    default:
      return `-a ${quote(candidates.join(' '))}`;
  }
}

function valuesOf(places: readonly Place[]): string[] {
  return places.flatMap(({ path, options }) =>
    options.filter(({ value }) => value).flatMap((option) => namesOf(option).map((name) => `${path} ${name}`)),
  );
}

function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}
