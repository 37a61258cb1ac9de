# Sourced by the scripts in this folder: what they share. Names no mirror and no registry; all of them come from the machine's own settings.

say() { printf '== %s\n' "$*" >&2; }
warn() { printf '!! %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }

# The container engine answers.
engine_answers() { command -v docker >/dev/null && timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# The address of the Debian archive this machine's apt uses, as apt itself reports it.
debian_archive() {
  local codename archive
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  archive=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    awk -v codename="$codename" '$2 == codename && $3 == "main" { print $1; exit }')
  [ -n "$archive" ] || die "apt knows no Debian archive for '$codename'; run 'apt-get update' and look at /etc/apt/sources.list*"
  printf '%s' "$archive"
}

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg
machine_certificates=/etc/ssl/certs/ca-certificates.crt
