# What .ci/judges.sh and .ci/interop.sh fetch: pinned Python packages and jars, each kept in .cache under the digest of
# its pin, so that a changed pin makes a new one. Sourced, from the top of the repository.

# fetch COMMAND... tries up to three times, for what comes over the network.
fetch() {
    local try
    for try in 1 2 3; do
        "$@" && return 0
        echo "fetch: try $try: exit code $?: $1" >&2
    done
    return 1
}

# python_with REQUIREMENTS prints the interpreter of an environment with these packages.
python_with() {
    local venv
    venv="$PWD/.cache/fetched/python-$(cat "$1" <(python3 --version) | sha256sum | cut -c 1-16)"
    if [ ! -f "$venv/.complete" ]; then
        rm -rf "$venv"
        python3 -m venv "$venv" >&2
        fetch "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$1" >&2
        touch "$venv/.complete"
    fi
    printf '%s\n' "$venv/bin/python"
}

# from_maven POM GOAL ARGUMENTS... runs a goal of the dependency plugin for a pom and prints the folder it ran in.
from_maven() {
    local pom=$1 goal=$2 dir
    shift 2
    dir="$PWD/.cache/fetched/$(basename "$pom" -pom.xml)-$(sha256sum "$pom" | cut -c 1-16)"
    if [ ! -f "$dir/.complete" ]; then
        rm -rf "$dir"
        mkdir -p "$dir"
        cp "$pom" "$dir/pom.xml" # Maven wants to write beside the file that it reads
        fetch mvn --quiet --batch-mode -Dstyle.color=never --file "$dir/pom.xml" \
            "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:$goal" "$@" "-DoutputDirectory=$dir/out" </dev/null >&2
        touch "$dir/.complete"
    fi
    printf '%s\n' "$dir/out"
}

# jars_of POM prints a folder with the jars that a pom depends on.
jars_of() { from_maven "$1" copy-dependencies -DincludeScope=runtime; }
