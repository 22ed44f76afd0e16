#!/usr/bin/env bash
# Runs our agent, as users start it, against products of others on 127.0.0.1, and compares what it finds with
# docs/interop.md.
#
#   OpenAS2      from Maven Central, as testdata/interop/openas2-pom.xml pins it
#   pyas2-lib    from PyPI, as testdata/judges/requirements.txt pins it
#
# A peer that is missing is a failure, never a skip. What is fetched lies in .cache, which git ignores; so do the logs of
# peers and agent, in .cache/interop/logs. Arguments go to the test: -capture writes testdata/vectors and docs/interop.md.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=
for tool in go java javac keytool openssl python3 mvn; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "interop.sh: not installed:$missing: apt-get install default-jdk-headless openssl python3-venv maven" >&2
    exit 1
fi

cache="$PWD/.cache/interop"
mkdir -p "$cache"
rm -rf "$cache/logs"

# shellcheck source=.ci/fetch.sh
. .ci/fetch.sh
AS2DROP_INTEROP_PYTHON=$(python_with testdata/judges/requirements.txt)
AS2DROP_INTEROP_OPENAS2=$(jars_of testdata/interop/openas2-pom.xml)
AS2DROP_INTEROP_AS2LIB=$(jars_of testdata/interop/as2-lib-pom.xml)
export AS2DROP_INTEROP_PYTHON AS2DROP_INTEROP_OPENAS2 AS2DROP_INTEROP_AS2LIB

go test -tags interop -count=1 -v -timeout 15m ./internal/interop -args "$@" 2>&1 | tee "$cache/log"
