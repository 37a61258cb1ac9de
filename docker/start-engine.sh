#!/usr/bin/env bash
# Starts a container engine where none answers, in a session of its own, logging to build/dockerd.log.
# Writes build/dockerd.pid only when it started one: who wants it stopped again stops that process.
set -euo pipefail
cd "$(dirname "$0")/.."
. docker/lib.sh

seconds_to_wait=60

# A killed engine leaves its pid files behind; a new one then takes whatever process has that number now for its own and stops, or waits for ever.
remove_stale_pid() { # file, program
  local pid
  [ -e "$1" ] || return 0
  pid=$(cat "$1")
  if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$2" ]; then
    say "removing $1: process $pid is no $2"
    rm -f "$1"
  fi
}

mkdir -p build
rm -f build/dockerd.pid
if engine_answers; then
  say "a container engine answers: $(docker version --format '{{.Server.Version}}')"
  exit 0
fi
command -v dockerd >/dev/null || die "no dockerd here; run docker/install-engine.sh"
remove_stale_pid /var/run/docker.pid dockerd
remove_stale_pid /var/run/docker/containerd/containerd.pid containerd

setsid dockerd --storage-driver=overlay2 >build/dockerd.log 2>&1 </dev/null &
pid=$!
for _ in $(seq "$((seconds_to_wait * 2))"); do
  if engine_answers; then
    printf '%s\n' "$pid" >build/dockerd.pid
    say "container engine $(docker version --format '{{.Server.Version}}') started, process $pid, log in build/dockerd.log"
    exit 0
  fi
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.5
done
kill "$pid" 2>/dev/null || true
warn "the container engine did not start; the end of build/dockerd.log:"
tail -n 20 build/dockerd.log >&2
exit 1
