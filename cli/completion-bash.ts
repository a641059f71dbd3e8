// Completion for bash, 4.4 or later, with or without the package bash-completion. Names of files are left to readline
// (`compopt`), which knows about quotes and `~`.

import { namesOf, type Place, stepsOf, type Value } from './places.ts';

/** The script, to be sourced, or put where bash-completion looks for `tazpod`. */
export function bashCompletion(places: readonly Place[]): string {
  return `# bash completion for tazpod, made by "tazpod completion bash"

_tazpod() {
    local current=\${COMP_WORDS[COMP_CWORD]} place='' value='' ended='' may='' operands=0 index word
    COMPREPLY=()
    # "--option=value" comes as three words where "=" breaks words.
    [[ $current == '=' ]] && current=''

    # Where do the words before this one lead?
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=\${COMP_WORDS[index]}
        if [[ $word == '=' ]]; then
            continue
        elif [[ $value ]]; then
            value=''
        elif [[ ! $ended && $word == -- ]]; then
            ended=1
        elif [[ ! $ended && $word == -?* ]]; then
            case "$place $word" in
${cases(valuesOf(places), 'value', 12)}
            esac
        else
            case "$place/$word" in
${cases(
  stepsOf(places).map(({ from, word, to }) => [`${from}/${word}`, to]),
  'place',
  12,
)}
            *)
                ((operands += 1))
                # What follows a command is the command's.
                case $place in
                ${commandPlaces(places)}) ended=1 ;;
                esac
                ;;
            esac
        fi
    done

    if [[ $value ]]; then
        may=$value
    elif [[ ! $ended && $current == -* ]]; then
        case $place in
${cases(optionsOf(places), 'may', 8)}
        esac
    else
        case "$place:$operands" in
${cases(operandsOf(places), 'may', 8)}
        ${commandPlaces(places, ':*')}) may=file ;;
        esac
    fi

    case $may in
    anything) ;;
    file) compopt -o default ;;
    directory) compopt -o dirnames ;;
    command) COMPREPLY=($(compgen -c -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$may" -- "$current")) ;;
    esac
}

complete -F _tazpod tazpod
`;
}

type Case = readonly [pattern: string, outcome: string];

/** The options that take a value: `PLACE --option`, and what the value may be. */
function valuesOf(places: readonly Place[]): Case[] {
  return places.flatMap(({ path, options }) =>
    options.flatMap((option) =>
      option.value ? namesOf(option).map((name): Case => [`${path} ${name}`, mayBe(option.value)]) : [],
    ),
  );
}

function optionsOf(places: readonly Place[]): Case[] {
  return places
    .filter(({ options }) => options.length > 0)
    .map(({ path, options }) => [path, options.flatMap(namesOf).join(' ')]);
}

/** What a word that is no option may be: `PLACE:N`, after N operands. */
function operandsOf(places: readonly Place[]): Case[] {
  return places.flatMap(({ path, next, operands }) => [
    ...(next.length > 0 ? [[`${path}:0`, next.map(({ word }) => word).join(' ')] satisfies Case] : []),
    ...operands.map((operand, index): Case => [`${path}:${index}`, mayBe(operand)]),
  ]);
}

/** A pattern of the places that take a command. */
function commandPlaces(places: readonly Place[], more = ''): string {
  return places
    .filter(({ takesCommand }) => takesCommand)
    .map(({ path }) => `${quote(path)}${more}`)
    .join(' | ');
}

/** `file`, `directory`, `command`, `anything`, or the words themselves. */
function mayBe(value: Value | undefined): string {
  const candidates = value?.candidates ?? 'anything';
  return typeof candidates === 'string' ? candidates : candidates.join(' ');
}

/** The branches of a `case` that sets `variable`; those with the same outcome as one. */
function cases(rows: readonly Case[], variable: string, indent: number): string {
  return Map.groupBy(rows, ([, outcome]) => outcome)
    .entries()
    .map(([outcome, same]) => {
      const patterns = same.map(([pattern]) => quote(pattern)).join(' | ');
      return `${' '.repeat(indent)}${patterns}) ${variable}=${quote(outcome)} ;;`;
    })
    .toArray()
    .join('\n');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
