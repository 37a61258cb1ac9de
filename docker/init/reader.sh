#!/usr/bin/env bash
# Runs once, when the database is made: a role for Grafana and other people's tools that can read and nothing else.
set -euo pipefail
psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v password="$(cat /run/plimsoll/database/reader)" <<'SQL'
CREATE ROLE plimsoll_reader LOGIN PASSWORD :'password' CONNECTION LIMIT 20;
GRANT pg_read_all_data TO plimsoll_reader;
ALTER ROLE plimsoll_reader SET default_transaction_read_only = on;
ALTER ROLE plimsoll_reader SET statement_timeout = '30s';
SQL
