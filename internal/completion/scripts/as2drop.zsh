#compdef as2drop
# Completion of as2drop for zsh: as2drop completion zsh
_as2drop() {
    local line
    local -a found
    found=()
    for line in "${(@f)$("${words[1]}" complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
        :files) _files ;;
        :folders) _files -/ ;;
        ?*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        esac
    done
    if ((${#found})); then
        _describe -t words as2drop found
    fi
}
if [[ $funcstack[1] == _as2drop ]]; then
    _as2drop "$@"
else
    compdef _as2drop as2drop
fi
