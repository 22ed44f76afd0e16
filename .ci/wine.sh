#!/usr/bin/env bash
# Runs the tests of the packages named as arguments as Windows programs under Wine.
#
#   .ci/wine.sh ./internal/fsx/... ./naming/...
#
# Everything it makes lies in .wine, which git ignores: the Wine prefix, a stand-in for a DLL that Wine 8 lacks, and an
# overlay for one file of the Go library. Wine shows what Windows does to open files, names and locks; it says nothing
# about virus scanners, network shares and the real service manager.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    echo 'usage: .ci/wine.sh PACKAGE...' >&2
    exit 2
fi
for tool in go wine x86_64-w64-mingw32-gcc; do
    if ! command -v "$tool" >/dev/null; then
        echo "wine.sh: $tool is not installed: apt-get install --no-install-recommends wine wine64 gcc-mingw-w64-x86-64" >&2
        exit 1
    fi
done

# Wine makes access lists of the modes of Unix: what is not made for everybody shall not look as if it were.
umask 077
export HOME="${HOME:-/root}"
export WINEPREFIX="$PWD/.wine" WINEDEBUG=-all
system32="$WINEPREFIX/drive_c/windows/system32"
if [ ! -f "$WINEPREFIX/.as2drop-ready" ]; then
    rm -rf "$WINEPREFIX"
    mkdir -p "$WINEPREFIX"
    wine wineboot -i >/dev/null 2>&1 </dev/null
    # A share \\server\share and a network drive N:, which are folders of the prefix. Wine reads what kind a drive is
    # when it starts: the wait below ends this Wine, so that the next one knows.
    mkdir -p "$WINEPREFIX/dosdevices/unc/server/share" "$WINEPREFIX/network"
    ln -sfn ../network "$WINEPREFIX/dosdevices/n:"
    wine reg add 'HKLM\Software\Wine\Drives' /v n: /d network /f >/dev/null 2>&1 </dev/null
    # Also waits until the prefix is on disk.
    wineserver -w
    touch "$WINEPREFIX/.as2drop-ready"
fi
if [ ! -d "$system32" ]; then
    echo "wine.sh: wineboot made no $system32" >&2
    exit 1
fi

x86_64-w64-mingw32-gcc -shared -O2 -Wall -o "$system32/bcryptprimitives.dll" .ci/processprng.c -ladvapi32

# os.RemoveAll uses a call that Wine answers with "Invalid function". The Go library knows an older way and has a switch
# for it, which only its own tests can reach: the overlay turns it on. The file is made from the installed Go, so it
# always fits the version.
source="$(go env GOROOT)/src/internal/syscall/windows/at_windows.go"
sed 's/^var TestDeleteatFallback bool$/var TestDeleteatFallback = true/' "$source" >"$WINEPREFIX/at_windows.go"
if cmp -s "$source" "$WINEPREFIX/at_windows.go"; then
    echo "wine.sh: this Go has no TestDeleteatFallback to turn on in $source" >&2
    exit 1
fi
printf '{"Replace": {"%s": "%s"}}\n' "$source" "$WINEPREFIX/at_windows.go" >"$WINEPREFIX/overlay.json"

# Whoever starts the first program of a prefix also starts its services, which then hold what that program printed to.
# One program that does nothing, and prints nowhere, is there before and until the last test.
wine ping -n 36000 127.0.0.1 >/dev/null 2>&1 </dev/null &
idle=$!
trap 'kill "$idle" 2>/dev/null || true' EXIT

# -vet=off: vet has run for Windows already. -count=1: the stored result of another Wine is none.
run() {
    GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go test -vet=off -count=1 -overlay "$WINEPREFIX/overlay.json" -exec wine "$@"
}
log="$WINEPREFIX/tests.log"
run "$@" | tee "$log" && exit 0

# Now and then Wine cannot start a program and says "Internal error" (CreateProcess, ERROR_INTERNAL_ERROR), which no
# Windows does: that says nothing of what is tested. A package in which each test that failed, and each script, failed
# with this and nothing else runs once more; any other failure counts.
flags=()
for arg in "$@"; do
    case $arg in ./*) ;; *) flags+=("$arg") ;; esac
done
again=$(awk -F'\t' '
    function ended() { if (inside && !script && (!here || foreign)) other++; inside = 0 }
    /^--- FAIL: / { ended(); inside = 1; here = foreign = 0; script = /^--- FAIL: TestScripts /; failed++; next }
    /^(--- |ok|FAIL|PASS|panic:)/ { ended() }
    /^panic:/ { other++ }
    inside && /fork\/exec .*: Internal error\./ { here = 1; wine++ }
    inside && /^ +[A-Za-z0-9_]+_test\.go:[0-9]+:/ && !/: Internal error\./ { foreign = 1 }
    /^ *FAIL: .*\.txtar:/ { scripts++ }
    $1 == "FAIL" && NF > 1 { if (!failed || other || scripts > wine) exit 1; print $2 }
    $1 == "ok" || $1 == "FAIL" && NF > 1 { other = scripts = wine = failed = 0 }
' "$log") || exit 1
[ -n "$again" ] || exit 1
echo "wine.sh: Wine could not start a program; once more:" $again
mapfile -t failed <<<"$again"
run "${flags[@]}" "${failed[@]}"
