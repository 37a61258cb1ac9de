#!/usr/bin/env bash
# jars.sh DIR: the broker's jars into DIR, by Maven with its own settings. Done once for each state of pom.xml.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

target=${1:?usage: jars.sh DIR}
state=$(sha256sum "$here/pom.xml" | cut -d' ' -f1)
[ "$(cat "$target/.pom" 2>/dev/null)" != "$state" ] || exit 0

mkdir -p "$(dirname "$target")"
exec 9>"$target.lock"
flock 9
[ "$(cat "$target/.pom" 2>/dev/null)" != "$state" ] || exit 0
say "resolving the broker's jars"
rm -rf "$target"
mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$target"
printf '%s' "$state" >"$target/.pom"
