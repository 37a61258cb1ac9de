#!/bin/sh
# Makes what the stack keeps secret, once, and puts each secret only where it is needed: no password is in a file of the repository,
# in an image or in the environment of a service. A value given in the environment wins.
set -eu
umask 077

made() { # NAME, VALUE or nothing: the value to use; a random one is made on the first start and kept
  kept=/run/plimsoll/services/$1
  if [ -n "$2" ]; then printf '%s' "$2"; elif [ -s "$kept" ]; then cat "$kept"; else head -c 24 /dev/urandom | od -An -vtx1 | tr -d ' \n'; fi
}
put() { # FILE, MODE: standard input becomes the file, whole or not at all
  cat >"$1.partial"
  chmod "$2" "$1.partial"
  mv -f "$1.partial" "$1"
}

owner=$(made database_owner "${DATABASE_PASSWORD:-}")
reader=$(made database_reader "${DATABASE_READER_PASSWORD:-}")
api_key=$(made api_key "${API_KEY:-}")
grafana=$(made grafana_admin "${GRAFANA_PASSWORD:-}")
ray_token=$(made ray_token '')

# Each folder is a volume of its own; the modes let the one service that mounts it read it under its own user id.
cd /run/plimsoll
printf '%s' "$owner" | put services/database_owner 0400
printf '%s' "$reader" | put services/database_reader 0400
printf '%s' "$grafana" | put services/grafana_admin 0400
printf '%s' "$api_key" | put services/api_key 0400
printf '%s' "$ray_token" | put services/ray_token 0400
printf 'timescaledb:5432:*:plimsoll:%s\n' "$owner" | put services/pgpass 0600
printf '%s' "$owner" | put database/owner 0444
printf '%s' "$reader" | put database/reader 0444
printf '%s' "$ray_token" | put ray/token 0400
printf '%s' "$reader" | put grafana/reader 0444
printf '%s' "$grafana" | put grafana/admin 0444
