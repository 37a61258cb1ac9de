#!/usr/bin/env bash
# Makes the cluster on the first start, then becomes the server. What it makes is what the official image makes of the same variables.
set -euo pipefail
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

run_sql() { psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet -h /tmp -U "$user" "$@"; }

make_cluster() {
  local password script
  if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then password=$(cat "$POSTGRES_PASSWORD_FILE"); else password=${POSTGRES_PASSWORD:-}; fi
  [ -n "$password" ] || { echo "set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE: a server open to the network needs a password" >&2; exit 1; }
  initdb -U "$user" --pwfile=<(printf '%s' "$password") --auth-local=trust --auth-host=scram-sha-256 --data-checksums -E UTF8 --locale=C.UTF-8 >/dev/null
  cat >>"$PGDATA/postgresql.conf" <<EOF
listen_addresses = '*'
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
unix_socket_directories = '/tmp'
EOF
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl -w -s -o "-c listen_addresses='' -c logging_collector=off" start
  [ "$database" = postgres ] || run_sql -d postgres -v name="$database" <<<'CREATE DATABASE :"name"'
  run_sql -d "$database" -c 'CREATE EXTENSION IF NOT EXISTS timescaledb'
  export PGHOST=/tmp POSTGRES_USER=$user POSTGRES_DB=$database
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) bash "$script" ;;
      *.sql) run_sql -d "$database" -f "$script" ;;
    esac
  done
  unset PGHOST
  pg_ctl -w -s -m fast stop
}

# A start that was cut off half way leaves no plimsoll.complete, and begins again.
if [ "${1:-}" = postgres ] && [ ! -e "$PGDATA/plimsoll.complete" ]; then
  find "$PGDATA" -mindepth 1 -delete
  make_cluster
  touch "$PGDATA/plimsoll.complete"
fi
exec "$@"
