# Completion of as2drop for bash: as2drop completion bash
_as2drop() {
    local line IFS=$'\n' current=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while read -r line; do
        case $line in
        :files)
            compopt -o filenames 2>/dev/null
            COMPREPLY+=($(compgen -f -- "${current#=}"))
            ;;
        :folders)
            compopt -o filenames 2>/dev/null
            COMPREPLY+=($(compgen -d -- "${current#=}"))
            ;;
        ?*) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done < <("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _as2drop as2drop
