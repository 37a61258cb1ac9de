#!/usr/bin/env bash
# Installs what a bare Debian 12 machine lacks to run the real parts: a container engine with compose v2, debootstrap for the base image,
# Java and Maven for the broker, Chromium for the browser tests. Installs nothing that is there already. Needs root.
set -euo pipefail
cd "$(dirname "$0")"
. ./lib.sh

lists_are_fresh=
refresh_lists() {
  [ -n "$lists_are_fresh" ] || apt-get update -qq
  lists_are_fresh=yes
}

install() { # packages; options first
  refresh_lists
  say "installing: $*"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

# Compose v2 came to Debian with trixie. Its package needs nothing newer than bookworm's libraries, so the trixie suite of this machine's own
# archive is added at a priority too low to pull in anything that is not asked for by name.
add_trixie() {
  [ -e /etc/apt/sources.list.d/plimsoll-trixie.sources ] && return
  local archive
  archive=$(debian_archive)
  cat >/etc/apt/preferences.d/plimsoll-trixie <<EOF
Package: *
Pin: release n=trixie
Pin-Priority: 100
EOF
  cat >/etc/apt/sources.list.d/plimsoll-trixie.sources <<EOF
Types: deb
URIs: $archive
Suites: trixie
Components: main
Signed-By: $debian_keyring
EOF
  lists_are_fresh=
}

[ "$(id -u)" = 0 ] || die "install-engine.sh needs root"
. /etc/os-release
[ "${ID:-}" = debian ] || die "install-engine.sh knows Debian only; on ${PRETTY_NAME:-this system} install docker, compose v2 and debootstrap yourself"

wanted=()
command -v dockerd >/dev/null || wanted+=(docker.io)
command -v iptables >/dev/null || wanted+=(iptables)
command -v debootstrap >/dev/null || wanted+=(debootstrap)
command -v mvn >/dev/null || wanted+=(maven)
command -v java >/dev/null || wanted+=(openjdk-17-jre-headless)
command -v chromium >/dev/null || wanted+=(chromium)
if [ "${#wanted[@]}" -gt 0 ]; then
  refresh_lists
  install "${wanted[@]}"
fi

if ! docker compose version >/dev/null 2>&1; then
  [ "${VERSION_CODENAME:-}" = trixie ] || { refresh_lists && add_trixie; }
  install -t trixie docker-compose
fi

say "$(dockerd --version); $(docker compose version); debootstrap $(dpkg-query -W -f '${Version}' debootstrap); $(mvn -version 2>/dev/null | sed -n '1s/\x1b\[[0-9;]*m//gp')"
