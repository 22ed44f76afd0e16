#!/usr/bin/env bash
# Makes a release twice, in two folders, and compares every byte; then installs what was made: the .deb and the
# .rpm in a copy of this system that is thrown away, the image of the container with buildah, and the program for Windows under Wine.
#
# What is not committed is in no release, so commit first. It needs root, for the copy of the system.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=
for tool in git go dpkg-deb rpm buildah mandoc systemd-analyze wine unzip unshare; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "release.sh: not installed:$missing: apt-get install --no-install-recommends rpm buildah mandoc systemd wine unzip" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo '-- once, and once more elsewhere'
make release
git clone --quiet --no-hardlinks . "$work/elsewhere/as2drop"
make -C "$work/elsewhere/as2drop" release
diff dist/SHA256SUMS "$work/elsewhere/as2drop/dist/SHA256SUMS"
(cd dist && sha256sum --check --quiet SHA256SUMS)
rm -rf "$work/elsewhere"

only() { # only PATTERN prints the one file of the release that matches.
    local found=(dist/$1)
    if [ ${#found[@]} -ne 1 ] || [ ! -f "${found[0]}" ]; then
        echo "release.sh: $1: ${found[*]}: want one file" >&2
        return 1
    fi
    printf '%s\n' "${found[0]}"
}
deb=$(only '*_linux_amd64.deb') rpm=$(only '*_linux_amd64.rpm') zip=$(only '*_windows_amd64.zip') tarball=$(only '*_linux_amd64.tar.gz')
image=$(only '*_container_amd64.tar')

echo '-- no paths of this machine, nothing to load'
mkdir "$work/tar" "$work/zip"
tar -C "$work/tar" --strip-components=1 -xzf "$tarball"
unzip -q "$zip" -d "$work/zip"
for program in "$work/tar/bin/as2drop" "$work/zip"/*/as2drop.exe; do
    if grep -aqF -e "$PWD/" -e "$(go env GOMODCACHE)/" -e "$(go env GOROOT)/src/" "$program"; then
        echo "release.sh: $program names paths of this machine" >&2
        exit 1
    fi
done
if ldd "$work/tar/bin/as2drop" >/dev/null 2>&1; then
    echo 'release.sh: the program for Linux is not static' >&2
    exit 1
fi
"$work/tar/bin/as2drop" version
for page in "$work/tar"/share/man/man*/*.gz; do
    gzip -dc "$page" | mandoc -Tlint -Wwarning
done

echo '-- .deb and .rpm in a copy of this system'
mkdir -p "$work/over" "$work/root"
unshare --mount --net .ci/packages.sh "$work" "$PWD/$deb" "$PWD/$rpm"

echo '-- the image of the container, and what packaging/Containerfile makes'
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
store=(--root "$work/store" --runroot "$work/runroot")
buildah "${store[@]}" from --quiet --name released "docker-archive:$image" >/dev/null
buildah "${store[@]}" run released -- /usr/bin/as2drop version
[ -f bin/as2drop ] || make build
buildah "${store[@]}" bud --quiet --format docker --tag built -f packaging/Containerfile . >/dev/null
buildah "${store[@]}" from --quiet --name built built >/dev/null
buildah "${store[@]}" run built -- /usr/bin/as2drop version
for name in released built; do
    for must in '"User": "65532:65532"' '"--alive"'; do
        buildah "${store[@]}" inspect "$name" | grep -F -- "$must" >/dev/null
    done
done
buildah "${store[@]}" rm --all >/dev/null

echo '-- the program for Windows'
# Makes the Wine that the tests use; no test has this name.
.ci/wine.sh -run '^$' ./internal/roff >/dev/null
export WINEPREFIX="$PWD/.wine" WINEDEBUG=-all
cd "$work/zip"/*/
wine as2drop.exe version
# Not grep -q: it ends at the first match, and who writes on to a pipe that nobody reads fails, as it should.
wine as2drop.exe service install --help | grep 'service' >/dev/null
wine as2drop.exe init try --as2-id 'MY COMPANY' --host localhost >/dev/null
wine as2drop.exe check -c try/config.yaml
wineserver -k || true # it may have ended by itself; to wait for what else runs in it has hung
