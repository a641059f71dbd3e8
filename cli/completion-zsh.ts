// Completion for zsh, by its own `_arguments`: words and options come with what they do.

import { namesOf, type Option, type Place } from './places.ts';
import type { Candidates } from './values.ts';

/** The script: the file `_tazpod` of a directory in `$fpath`, or to be sourced after `compinit`. */
export function zshCompletion(places: readonly Place[]): string {
  return `#compdef tazpod
# zsh completion for tazpod, made by "tazpod completion zsh"

_tazpod() {
    _tazpod_at ''
}

# What may follow at a place of the command line: more words that lead on, or options and operands.
_tazpod_at() {
    local curcontext=$curcontext state line ret=1
    local -a next takes
    typeset -A opt_args
    case $1 in
${places.map(placeCase).join('\n')}
    *) return 1 ;;
    esac
    if (( ! $#next )); then
        _arguments -s -S $takes
        return
    fi
    # "(-)": what follows a verb is the verb's, options too.
    _arguments -C $takes '(-)1: :->next' '(-)*:: :->rest' && ret=0
    case $state in
    next) _describe -t commands verb next && ret=0 ;;
    rest) _tazpod_at "\${1:+$1 }$words[1]" && ret=0 ;;
    esac
    return ret
}

# Called by the completion system as the file's own function, or sourced.
if [[ $funcstack[1] == _tazpod ]]; then
    _tazpod "$@"
else
    compdef _tazpod tazpod
fi
`;
}

function placeCase({ path, next, options, operands, takesCommand }: Place): string {
  const takes = [
    ...options.map(optionSpec),
    ...operands.map(({ name, candidates }, index) => quote(`${index + 1}:${name}:${action(candidates)}`)),
    // The words of a command are completed as if they stood alone.
    ...(takesCommand ? [quote('*:: :_normal')] : []),
  ];
  return `    ${quote(path)})
        next=(${list(next.map(({ word, text }) => quote(`${word}:${text}`)))})
        takes=(${list(takes)})
        ;;`;
}

function list(words: readonly string[]): string {
  return words.length === 0 ? '' : `\n${words.map((word) => `            ${word}\n`).join('')}        `;
}

function optionSpec(option: Option): string {
  const { long, text, value } = option;
  // After a request for help or the version nothing else counts.
  const excluded = long === 'help' || long === 'version' ? '- *' : namesOf(option).join(' ');
  const rest = `[${text.replaceAll(/[[\]\\]/g, '\\$&')}]${value ? `:${value.name}:${action(value.candidates)}` : ''}`;
  return namesOf(option)
    .map((name) => quote(`(${excluded})${name}${value && name.startsWith('--') ? '=' : ''}${rest}`))
    .join(' ');
}

function action(candidates: Candidates): string {
  switch (candidates) {
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    case 'command':
      return '_command_names -e';
    case 'anything':
      return ' ';
    default:
      return `(${candidates.join(' ')})`;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
