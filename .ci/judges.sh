#!/usr/bin/env bash
# Runs the judges: programs by other people that read what we write and write what we read.
#
#   openssl cms               our CMS, and its own for us to open
#   Bouncy Castle             the same, and the algorithms that openssl lacks
#   java.util.zip             our zips, as a stream
#   pyas2-lib                 one batch each way with its MDN
#   the schemas of OASIS UBL  the sample documents
#   xmllint                   what is well-formed XML, and documents with attachments by those schemas and that of CII
#   the rules of EN 16931     invoices with attachments
#   aiosmtpd                  mail about alarms: TLS, logins, and what Python's email package reads
#   promtool                  metrics, alert rules, expressions of the dashboard
#   journalctl                our log in a journal of systemd
#   jsonschema of Python      the schema of the config
#   mandoc                    the manual pages
#   bash, zsh, fish           the completion
#
# A missing tool is a failure, never a skip. What is fetched (pinned Python packages, jars, schemas) lies in .cache, which git
# ignores. A judge test is in a file with the build tag judges and is called TestJudge...; this script finds the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=
for tool in go java javac openssl python3 mvn xmllint mandoc zsh fish promtool journalctl /lib/systemd/systemd-journal-remote; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "judges.sh: not installed:$missing: apt-get install default-jdk-headless openssl python3-venv maven libxml2-utils mandoc zsh fish prometheus systemd systemd-journal-remote" >&2
    exit 1
fi

# shellcheck source=.ci/fetch.sh
. .ci/fetch.sh

cache="$PWD/.cache/judges"
mkdir -p "$cache"

AS2DROP_JUDGE_PYTHON=$(python_with testdata/judges/requirements.txt)
export AS2DROP_JUDGE_PYTHON

schemas=$(from_maven testdata/judges/ubl-pom.xml unpack-dependencies -Dmdep.unpack.includes='**/*.xsd' \
    -DincludeGroupIds=com.helger.ubl,com.helger.xsd,com.helger.cii)
java testdata/judges/UblSchema.java "$schemas" testdata/ubl/*.xml
export AS2DROP_JUDGE_SCHEMAS="$schemas"

# The rules of EN 16931, and what runs them.
AS2DROP_JUDGE_EN16931=$(jars_of testdata/judges/en16931-pom.xml)
export AS2DROP_JUDGE_EN16931

# The class path of Bouncy Castle.
castle=$(jars_of testdata/judges/bc-pom.xml)
AS2DROP_JUDGE_BC=$(printf '%s:' "$castle"/*.jar)
export AS2DROP_JUDGE_BC="${AS2DROP_JUDGE_BC%:}"

# judges.sh -- COMMAND runs the command with the judges at hand: to capture vectors, or one test alone.
if [ "${1-}" = -- ]; then
    shift
    exec "$@"
fi

files=$(grep -rlx --include='*_test.go' '//go:build judges' .)
# shellcheck disable=SC2086 # one word per file
if grep -nE '^func Test' $files | grep -v 'func TestJudge'; then
    echo 'judges.sh: a judge test is called TestJudge..., or it would never run' >&2
    exit 1
fi
packages=$(xargs -n 1 dirname <<<"$files" | sort -u)
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
