#!/usr/bin/env bash
# run-plain.sh DIR PORT_BROKER PORT_HTTP: the broker of the image as a plain process on this machine's Java (17 or newer), on 127.0.0.1 only.
# Its data and configuration live in DIR and outlast a restart. Runs in the foreground and becomes the Java process: kill it by this process id.
# Ready when http://127.0.0.1:PORT_HTTP/admin/v2/brokers/health answers "ok".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# = 3 ] || { echo "usage: $0 DIR PORT_BROKER PORT_HTTP" >&2; exit 2; }
directory=$1 port_broker=$2 port_http=$3

mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
lib=$here/../../build/pulsar/lib
"$here/jars.sh" "$lib"

# A bookie is known by its address, so the port that it once took stays its own.
if [ ! -e "$directory/bookie.port" ]; then
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' >"$directory/bookie.port"
fi

cp "$here/conf/standalone.conf" "$directory/standalone.conf"
PULSAR_PREFIX_bindAddress=127.0.0.1 PULSAR_PREFIX_advertisedAddress=127.0.0.1 PULSAR_PREFIX_brokerServicePort=$port_broker \
  PULSAR_PREFIX_webServicePort=$port_http PULSAR_PREFIX_listeningInterface=lo \
  "$here/bin/apply-config-from-env.py" "$directory/standalone.conf"

cd "$directory"
export PULSAR_STANDALONE_CONF=$directory/standalone.conf PULSAR_DATA=$directory/data PULSAR_LIB=$lib
exec "$here/bin/pulsar" standalone --no-functions-worker --no-stream-storage --bookkeeper-port "$(cat bookie.port)"
