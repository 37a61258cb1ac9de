#!/usr/bin/env bash
# build-images.sh [NAME...]: the local images, from Debian trixie and Maven Central through this machine's own settings. All of them but plimsoll-ray without names.
# An image carries a label with the hash of what it was made from; one whose label still fits is not built again.
#
#   base        Debian trixie                                     plimsoll/base:trixie
#   python      … with Python 3.13                                plimsoll/python:3.13
#   pulsar      broker, bookie and metadata store in one process  plimsoll/pulsar:4.2.4
#   timescaledb PostgreSQL 17 with TimescaleDB                    plimsoll/timescaledb:2.19.3-pg17
#   valkey                                                        plimsoll/valkey:8.1
#   prometheus                                                    plimsoll/prometheus:2.53
#   plimsoll    our own processes                                 plimsoll/plimsoll:dev
#   plimsoll-ray  … with Ray, only when named                     plimsoll/plimsoll-ray:dev
set -euo pipefail
cd "$(dirname "$0")/.."
. docker/lib.sh

label=plimsoll.inputs
base=plimsoll/base:trixie
python=plimsoll/python:3.13

hash_of() { # files and folders: what is in them and what they are called
  find "$@" -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-24
}
inputs_of() { docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null || true; }
is_current() { [ "$(inputs_of "$1")" = "$2" ] && say "$1 is up to date"; }

build() { # image, hash, context folder, further options of `docker build`
  local image=$1 inputs=$2 context=$3 log replaced
  log=build/image-${image//[^a-z0-9.]/-}.log
  is_current "$image" "$inputs" && return
  say "building $image"
  replaced=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
  DOCKER_BUILDKIT=0 docker build --network host --label "$label=$inputs" -t "$image" "${@:4}" "$context" >"$log" 2>&1 ||
    { tail -n 40 "$log" >&2; die "building $image failed; all of it is in $log"; }
  # The image that lost its name, and build stages but the newest, would stay on the disk for ever, a gigabyte each time.
  [ -z "$replaced" ] || docker image rm "$replaced" >/dev/null 2>&1 || true
  docker image prune --force --filter label=plimsoll.stage=build --filter until=10m >/dev/null
}

build_on_base() { # image, folder under docker/
  build "$1" "$(hash_of "docker/$2" docker/lib.sh)-$(inputs_of $base)" "docker/$2" --build-arg "BASE=$base"
}

make_base() {
  local inputs
  inputs=$(hash_of docker/base docker/lib.sh "$machine_certificates")
  is_current $base "$inputs" && return
  say "building $base"
  docker/base/build.sh $base "$label=$inputs"
}
make_python() { build_on_base $python python; }
make_timescaledb() { build_on_base plimsoll/timescaledb:2.19.3-pg17 timescaledb; }
make_valkey() { build_on_base plimsoll/valkey:8.1 valkey; }
make_prometheus() { build_on_base plimsoll/prometheus:2.53 prometheus; }

make_pulsar() {
  local context=build/pulsar/image inputs
  docker/pulsar/jars.sh "$PWD/build/pulsar/lib"
  inputs=$(hash_of docker/pulsar docker/lib.sh)-$(inputs_of $base)
  is_current plimsoll/pulsar:4.2.4 "$inputs" && return
  rm -rf $context && mkdir -p $context
  cp -r docker/pulsar/{Dockerfile,bin,conf} $context/
  cp -rl build/pulsar/lib $context/lib
  build plimsoll/pulsar:4.2.4 "$inputs" $context --build-arg "BASE=$base"
  rm -rf $context
}

make_plimsoll() { build_ours plimsoll/plimsoll:dev; }
make_plimsoll-ray() { build_ours plimsoll/plimsoll-ray:dev --build-arg EXTRA=ray; }

build_ours() { # image, further options of `docker build`
  local inputs
  # What the image is made of is what .dockerignore lets through: tracked files and new ones, no caches.
  inputs=$(git ls-files -z --cached --others --exclude-standard -- Dockerfile .dockerignore pyproject.toml requirements risk_core services db console |
    LC_ALL=C sort -zu | xargs -0 sha256sum 2>/dev/null | sha256sum | cut -c1-24)-$(inputs_of $python)
  build "$1" "$inputs" . --build-arg "BASE=$python" "${@:2}"
}

mkdir -p build
engine_answers || die "no container engine answers; run docker/start-engine.sh"
if [ $# = 0 ]; then set -- base python pulsar timescaledb valkey prometheus plimsoll; fi
for name in "$@"; do
  declare -F "make_$name" >/dev/null || die "no image named '$name'; see the head of this script"
  "make_$name"
done
