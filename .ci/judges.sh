#!/usr/bin/env bash
# Runs the judges: programs by other people that read what we write and write what we read.
#
#   openssl cms               our CMS, and its own for us to open
#   Bouncy Castle             the same, and the algorithms that openssl lacks
#   java.util.zip             our zips, as a stream
#   pyas2-lib                 one batch each way with its MDN
#   the OASIS UBL schemas     the sample documents
#
# A missing tool is a failure, never a skip. What is fetched (pinned Python packages, jars, schemas) lies in .cache, which git
# ignores. A judge test is in a file with the build tag judges and is called TestJudge...; this script finds the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=
for tool in go java javac openssl python3 mvn; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "judges.sh: not installed:$missing: apt-get install default-jdk-headless openssl python3-venv maven" >&2
    exit 1
fi

# Up to three tries for what comes over the network.
fetch() {
    local try
    for try in 1 2 3; do
        "$@" && return 0
        echo "judges.sh: try $try: exit code $?: $1" >&2
    done
    return 1
}

cache="$PWD/.cache/judges"
mkdir -p "$cache"

# The Python environment is named after what is in it, so a changed pin makes a new one.
pins=testdata/judges/requirements.txt
venv="$cache/python-$(cat "$pins" <(python3 --version) | sha256sum | cut -c 1-16)"
if [ ! -f "$venv/.complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    fetch "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$pins"
    touch "$venv/.complete"
fi
export AS2DROP_JUDGE_PYTHON="$venv/bin/python"

# Maven wants to write beside the file that it reads, so it reads a copy.
schemas="$cache/ubl-$(sha256sum testdata/judges/ubl-pom.xml | cut -c 1-16)"
if [ ! -f "$schemas/.complete" ]; then
    rm -rf "$schemas"
    mkdir -p "$schemas"
    cp testdata/judges/ubl-pom.xml "$schemas/pom.xml"
    fetch mvn --quiet --batch-mode -Dstyle.color=never --file "$schemas/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack-dependencies \
        -DoutputDirectory="$schemas/xsd" -Dmdep.unpack.includes='**/*.xsd' \
        -DincludeGroupIds=com.helger.ubl,com.helger.xsd </dev/null
    touch "$schemas/.complete"
fi
java testdata/judges/UblSchema.java "$schemas/xsd" testdata/ubl/*.xml

# The class path of Bouncy Castle.
castle="$cache/bc-$(sha256sum testdata/judges/bc-pom.xml | cut -c 1-16)"
if [ ! -f "$castle/.complete" ]; then
    rm -rf "$castle"
    mkdir -p "$castle"
    cp testdata/judges/bc-pom.xml "$castle/pom.xml"
    fetch mvn --quiet --batch-mode -Dstyle.color=never --file "$castle/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
        -DoutputDirectory="$castle/jars" </dev/null
    touch "$castle/.complete"
fi
AS2DROP_JUDGE_BC=$(printf '%s:' "$castle"/jars/*.jar)
export AS2DROP_JUDGE_BC="${AS2DROP_JUDGE_BC%:}"

# judges.sh -- COMMAND runs the command with the judges at hand: to capture vectors, or one test alone.
if [ "${1-}" = -- ]; then
    shift
    exec "$@"
fi

packages=$(grep -rlx --include='*_test.go' '//go:build judges' . | xargs -n 1 dirname | sort -u)
for must in "$@"; do
    if ! grep -qx "$must" <<<"$packages"; then
        echo "judges.sh: no judge test in $must" >&2
        exit 1
    fi
done
# -count=1: a judge that was updated judges anew. One package at a time: two cores, and some judges want gigabytes.
log="$cache/log"
# shellcheck disable=SC2086 # one word per package
go test -tags judges -run '^TestJudge' -count=1 -p 1 -timeout 20m -v $packages 2>&1 | tee "$log"
if grep -q 'no tests to run' "$log"; then
    echo 'judges.sh: a package has the build tag judges and no test called TestJudge...' >&2
    exit 1
fi
