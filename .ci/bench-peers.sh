#!/usr/bin/env bash
# Measures our agent beside products of others on 127.0.0.1, and writes what it finds into docs/performance.md.
#
#   OpenAS2      from Maven Central, as testdata/interop/openas2-pom.xml pins it
#   pyas2-lib    from PyPI, as testdata/judges/requirements.txt pins it
#
# A peer that is missing is a failure, never a skip. What is fetched lies in .cache, which git ignores. Arguments go to
# the test: -documents 200 -rounds 1 -large 10 is a short run, -update writes the page.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=
for tool in go java keytool openssl python3 mvn; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "bench-peers.sh: not installed:$missing: apt-get install default-jdk-headless openssl python3-venv maven" >&2
    exit 1
fi

# shellcheck source=.ci/fetch.sh
. .ci/fetch.sh
AS2DROP_INTEROP_PYTHON=$(python_with testdata/judges/requirements.txt)
AS2DROP_INTEROP_OPENAS2=$(jars_of testdata/interop/openas2-pom.xml)
export AS2DROP_INTEROP_PYTHON AS2DROP_INTEROP_OPENAS2

java -version
"$AS2DROP_INTEROP_PYTHON" --version
go test -tags peers -count=1 -v -timeout 20m ./internal/benchpeers -args "$@"
