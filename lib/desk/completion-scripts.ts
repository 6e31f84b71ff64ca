/** The shells that words are completed for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * What a shell is to read so that it completes the tool's words and the hooks'. It asks the program at each key, which
 * answers in a moment: commands, variables and names of the host are what they are by then.
 * @param shell whose
 * @param names the names of the tool and of all hooks
 */
export function completionScript(shell: Shell, names: readonly string[]): string {
  const all = names.join(' ');
  if (shell === 'bash') return bash(all);
  return shell === 'zsh' ? zsh(all) : fish(all);
}

const bash = (
  names: string,
) => `# xen-network: words completed in bash; made by "xen-network completion bash".
_xen_network() {
  local line=\${COMP_LINE:0:COMP_POINT} cut='' word
  local -a words
  read -ra words <<<"$line"
  [[ $line != *[[:space:]] ]] || words+=('')
  local current=\${words[\${#words[@]} - 1]}
  # Where "=" ends a word for bash, only what follows it is put in.
  [[ $current != *=* || $COMP_WORDBREAKS != *=* ]] || cut=\${current%%=*}=
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    COMPREPLY+=("\${word#"$cut"}")
    [[ $word != *= ]] || compopt -o nospace 2>/dev/null
  done < <(xen-network complete "\${words[0]##*/}" "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _xen_network ${names}
`;

const zsh = (names: string) => `#compdef ${names}
# xen-network: words completed in zsh; made by "xen-network completion zsh".
_xen_network() {
  local line word about
  local -a whole begun
  for line in "\${(@f)$(xen-network complete "\${words[1]:t}" "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] || continue
    word=\${line%%$'\\t'*} about=\${line#*$'\\t'}
    if [[ $word == *= ]]; then begun+=("\${word//:/\\\\:}:$about"); else whole+=("\${word//:/\\\\:}:$about"); fi
  done
  (( $#whole + $#begun )) || { _files; return; }
  (( ! $#begun )) || _describe -t variables variable begun -S ''
  (( ! $#whole )) || _describe -t words word whole
}
compdef _xen_network ${names}
`;

const fish = (
  names: string,
) => `# xen-network: words completed in fish; made by "xen-network completion fish".
function __xen_network_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l name (basename -- $words[1])
    set -e words[1]
    set -l found (xen-network complete $name $words "$current" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path "$current"
    end
end
for name in ${names}
    complete -c $name -f -a '(__xen_network_complete)'
end
`;
