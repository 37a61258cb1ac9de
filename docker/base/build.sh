#!/usr/bin/env bash
# build.sh NAME:TAG LABEL=VALUE: a minimal Debian trixie image from this machine's own Debian archive, with this machine's certificate bundle.
# Every other local image stands on it. Needs root and debootstrap.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

image=$1 label=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=ca-certificates --keyring="$debian_keyring" trixie "$root" "$(debian_archive)" >"$root.log" 2>&1 ||
  { tail -n 20 "$root.log" >&2; die "debootstrap failed"; }
rm -f "$root.log"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,info,locale}/*

# A machine behind an inspecting proxy trusts more than Debian does; builds inside the image must trust the same.
bundle=/etc/ssl/certs/machine.pem
cp "$machine_certificates" "$root$bundle"

tar -C "$root" -c . | docker import \
  --change "LABEL $label" --change 'ENV LANG=C.UTF-8' --change 'CMD ["/bin/bash"]' \
  --change "ENV SSL_CERT_FILE=$bundle PIP_CERT=$bundle NODE_EXTRA_CA_CERTS=$bundle" - "$image" >/dev/null
